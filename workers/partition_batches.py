"""Batches: the waiting entries of one partition, or of several."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ingest.domain.deferrals import in_turn
from ingest.domain.entry_ids import entry_order
from ingest.store.dead_letters.write import DeadLetter
from ingest.store.partitions.leases import Advance
from ingest.streams.stream import Entry, Waiting
from workers.apply import AppliedBatch, ReadImport
from workers.dead_letters import read_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBatch:
    """The entries of one leased partition in a batch, in the order accepted."""

    partition: int
    #: Up to which entry everything had been applied before.
    position: str
    #: Never empty.
    entries: Sequence[Entry]
    accepted: Sequence[ReadImport]
    #: Entries that are no imports, heartbeats apart.
    letters: Sequence[DeadLetter]
    #: Whether these entries go before others that were accepted earlier.
    overtakes: bool = False

    @property
    def advance(self) -> Advance:
        """The position of its partition after it."""
        if self.overtakes:
            return Advance(
                partition=self.partition, position=self.position, overtook=True
            )
        sent = (entry.appended_at for entry in self.entries if entry.is_heartbeat)
        return Advance(
            partition=self.partition,
            position=max(self.position, self.entries[-1].id, key=entry_order),
            heartbeat_sent_at=max(sent, default=None),
        )

    @property
    def is_behind(self) -> bool:
        """Tell whether Redis gave out an id that it had given out before."""
        first = entry_order(self.entries[0].id)
        return not self.overtakes and first <= entry_order(self.position)


def list_accepted(parts: Sequence[PartitionBatch]) -> list[ReadImport]:
    """Return the imports of `parts` in the order to apply.

    Those of one partition in the order accepted, those of one request in their rows'.
    """
    accepted = [one for part in parts for one in part.accepted]
    if len(parts) < 2:
        return accepted
    requests = {one.rank.request if one.rank else None for one in accepted}
    if requests == {None}:
        return accepted
    if len(requests) == 1:
        # As nearly every batch of a file: its rows, and what was accepted again behind.
        return sorted(accepted, key=_row_order)
    batch = {
        number: [one.queued for one in part.accepted]
        for number, part in enumerate(parts)
    }
    return [parts[number].accepted[index] for number, index in in_turn(batch)]


def _row_order(one: ReadImport) -> tuple[int, int]:
    return entry_order(one.entry_id)[0], one.rank.row if one.rank else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch that one transaction applied: entries of some partitions."""

    parts: Sequence[PartitionBatch]
    applied: AppliedBatch
    started_at: datetime

    @property
    def accepted(self) -> list[ReadImport]:
        """The imports of all parts, those of a partition in their order."""
        return [one for part in self.parts for one in part.accepted]

    @property
    def entries(self) -> dict[int, Sequence[Entry]]:
        """The entries that are done with, by partition."""
        return {part.partition: part.entries for part in self.parts}


def cut(parts: Iterable[PartitionBatch], taken: int) -> list[PartitionBatch]:
    """Return what of `parts` has their first `taken` imports.

    What stands behind them in their streams stays there: nothing overtakes.
    """
    parts = list(parts)
    if sum(len(part.accepted) for part in parts) == taken:
        return parts
    left = Counter(one.partition for one in list_accepted(parts)[:taken])
    kept = []
    for part in parts:
        accepted = part.accepted[: left[part.partition]]
        if len(accepted) == len(part.accepted):
            kept.append(part)
            continue
        # Up to the first import that was not taken; the rest of no partition is.
        first = part.accepted[len(accepted)].entry_id
        ids = [entry.id for entry in part.entries]
        entries = part.entries[: ids.index(first)]
        known = {entry.id for entry in entries}
        letters = [letter for letter in part.letters if letter.entry_id in known]
        if entries:
            kept.append(
                replace(part, entries=entries, accepted=accepted, letters=letters)
            )
    return kept


def group(
    waiting: Iterable[Waiting], size: int, alone: Collection[int] = ()
) -> Iterator[list[Waiting]]:
    """Put partitions together that have no more than `size` entries, in their order.

    A transaction costs as much as several imports: while little waits, one does for
    all partitions. When much does, each has its own, and workers divide them. Those
    that are to stay `alone` join none: what fails there must stop no other.
    """
    chosen: list[Waiting] = []
    for one in waiting:
        if one.partition in alone:
            yield [one]
            continue
        if chosen and sum(each.entries for each in chosen) + one.entries > size:
            yield chosen
            chosen = []
        chosen.append(one)
    if chosen:
        yield chosen


def make_partition_batch(
    partition: int,
    position: str,
    entries: Sequence[Entry],
    *,
    overtakes: bool = False,
) -> PartitionBatch:
    """Decode `entries`; those that are no imports become dead letters."""
    accepted, letters = [], []
    for entry in entries:
        if entry.is_heartbeat:
            continue
        read = read_entry(partition, entry.id, entry.payload)
        if isinstance(read, DeadLetter):
            letters.append(read)
            continue
        accepted.append(
            ReadImport(
                import_=read,
                partition=partition,
                entry_id=entry.id,
                payload=entry.payload,
                reply_to=entry.reply_to,
                rank=entry.rank,
            )
        )
    return PartitionBatch(
        partition=partition,
        position=position,
        entries=entries,
        accepted=accepted,
        letters=letters,
        overtakes=overtakes,
    )
