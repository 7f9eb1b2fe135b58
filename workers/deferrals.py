"""Imports that wait for others of their request, as a drain sees it (16.10)."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from functools import partial
from operator import attrgetter
from uuid import UUID

from ingest.domain.batches import Prepared
from ingest.domain.catalog import Catalog
from ingest.domain.deferrals import (
    Beyond,
    Deferral,
    Deferred,
    Queued,
    Suspect,
    find_deferrals,
    find_suspects,
    is_first,
)
from ingest.domain.errors import Rejected
from ingest.domain.matching import build_route_search
from ingest.domain.ranks import KeyName, find_touched
from ingest.domain.workspace import Workspace
from ingest.store.partitions.leases import Advance, Lease
from ingest.streams.stream import Entry, Stream, Waiting
from ingest.telemetry import metrics
from ingest.wire.entries import MalformedEntry, decode
from workers.apply import ReadImport, Watch, watch_nothing
from workers.partition_batches import PartitionBatch

#: Entries of one partition looked through for one that others come after. Where more
#: wait that are older than those others, they go before them.
_MAX_ENTRIES = 1000
#: Imports whose names are kept.
_MAX_NAMES = 10_000
#: Partitions that wait for each other are applied together for so many looks.
_LOOKS_TOGETHER = 8


class Deferrals:
    """Imports that wait for others, as one drain knows them."""

    def __init__(self, stream: Stream, partitions: int) -> None:
        self._stream = stream
        self._partitions = partitions
        #: What the imports waited for that were deferred since this was cleared.
        self.awaited: set[int] = set()
        self._together: set[int] = set()
        self._looks = 0
        # What imports that waited will touch, as of a version of the catalog.
        self._names: dict[object, Set[KeyName] | None] = {}

    def cut(self, entries: Mapping[int, list[Entry]]) -> dict[int, list[Entry]]:
        """Return `entries`, by partition, up to the first that has to wait."""
        kept = dict(entries)
        if not _have_ties(entries):
            return kept
        batch = {
            partition: [entry.queued for entry in queue]
            for partition, queue in entries.items()
        }
        beyond = {}
        # Looked at after the entries were read: what came before them is there by now.
        for partition, milliseconds in _list_asked(batch).items():
            queue = entries.get(partition)
            behind = queue[-1].id if queue else None
            waiting, known_until = self._scan(partition, behind, milliseconds)
            beyond[partition] = Beyond([one.queued for one in waiting], known_until)
        for deferral in find_deferrals(batch, beyond):
            self._note(deferral, "key")
            kept[deferral.partition] = kept[deferral.partition][: deferral.index]
        return kept

    def watch(self, parts: Sequence[PartitionBatch]) -> Watch:
        """Return what finds imports of `parts` that only Postgres knows to wait."""
        if any(one.rank is not None for part in parts for one in part.accepted):
            return partial(self._look, parts)
        return watch_nothing

    def join(
        self, groups: Sequence[list[Waiting]], alone: Collection[int]
    ) -> list[list[Waiting]]:
        """Put groups together whose partitions have waited for each other of late.

        In one batch nothing of one waits for the other. Those that are to stay `alone`
        do.
        """
        if not self._looks:
            return list(groups)
        self._looks -= 1
        joined: list[Waiting] = []
        apart: list[list[Waiting]] = []
        for each in groups:
            partitions = {one.partition for one in each}
            if partitions & self._together and not partitions & set(alone):
                joined.extend(each)
            else:
                apart.append(each)
        if not self._looks:
            self._together.clear()
        return [joined, *apart] if joined else apart

    def cut_deferred(
        self, entries: Mapping[int, list[Entry]], deferred: Deferred
    ) -> dict[int, list[Entry]]:
        """Return `entries` up to the first of each partition that was `deferred`."""
        kept = dict(entries)
        for deferral in deferred.deferrals:
            self._note(deferral, "profile")
            kept[deferral.partition] = kept[deferral.partition][: deferral.index]
        metrics.BATCHES_REPEATED.labels("deferred").inc()
        return kept

    def _note(self, deferral: Deferral, reason: str) -> None:
        metrics.IMPORTS_DEFERRED.labels(reason).inc()
        self.awaited.add(deferral.awaited)
        self._together |= {deferral.partition, deferral.awaited}
        self._looks = _LOOKS_TOGETHER

    def _look(
        self,
        parts: Sequence[PartitionBatch],
        workspace: Workspace,
        prepared: Sequence[Prepared],
    ) -> None:
        """Raise Deferred if what waits elsewhere touches the profiles first."""
        accepted: dict[UUID, ReadImport] = {}
        for one in (one for part in parts for one in part.accepted):
            accepted.setdefault(one.import_.import_id, one)
        ranked = [
            (one, rank)
            for one in prepared
            if (rank := accepted[one.import_.import_id].rank) is not None
        ]
        asking = [
            (accepted[suspect.import_id], suspect)
            for suspect in find_suspects(workspace, ranked)
        ]
        if asking and (deferrals := self._ask(parts, asking, workspace.catalog)):
            raise Deferred(deferrals)

    def _ask(
        self,
        parts: Sequence[PartitionBatch],
        asking: Sequence[tuple[ReadImport, Suspect]],
        catalog: Catalog,
    ) -> list[Deferral]:
        """Return the first import of each part that others go before."""
        # What overtakes goes before entries that were appended earlier.
        taken = {part.partition: part.entries for part in parts if not part.overtakes}
        numbers = {
            (part.partition, entry.id): number
            for part in parts
            for number, entry in enumerate(part.entries)
        }
        milliseconds = max(one.queued.milliseconds for one, _ in asking)
        kinds = {suspect.rank.request: set(suspect.rank.kinds) for _, suspect in asking}
        deferrals: dict[int, Deferral] = {}
        for partition in range(self._partitions):
            before = taken.get(partition, ())
            behind = before[-1].id if before else None
            found, known_until = self._scan(partition, behind, milliseconds)
            found = [one for one in found if (partition, one.id) not in numbers]
            # Rows of the batch tell, too, which of those behind are accepted again.
            firsts = is_first(one.queued for one in (*before, *found))[len(before) :]
            waiting = [
                (
                    entry.queued,
                    self._recall(partition, entry, catalog, kinds[entry.rank.request]),
                )
                for entry, first in zip(found, firsts, strict=True)
                if first and entry.rank is not None and entry.rank.request in kinds
            ]
            for one, suspect in asking:
                if one.partition != partition and suspect.comes_after(
                    one.queued.milliseconds, waiting, known_until
                ):
                    number = numbers[one.partition, one.entry_id]
                    deferral = Deferral(one.partition, number, partition)
                    first = deferrals.setdefault(one.partition, deferral)
                    deferrals[one.partition] = min(
                        first, deferral, key=attrgetter("index")
                    )
        return list(deferrals.values())

    def _recall(
        self, partition: int, entry: Entry, catalog: Catalog, kinds: Set[str]
    ) -> Set[KeyName] | None:
        """Return what an import that waits will touch; batch after batch asks."""
        place = partition, entry.id, frozenset(kinds), catalog.version
        if place not in self._names:
            if len(self._names) >= _MAX_NAMES:
                self._names.clear()
            self._names[place] = _find_names(entry, catalog, kinds)
        return self._names[place]

    def _scan(
        self, partition: int, behind: str | None, milliseconds: int
    ) -> tuple[list[Entry], float]:
        """Return the ranked entries of `partition` up to a moment, behind an entry.

        And the moment until which they are known, should there be too many.
        """
        entries: list[Entry] = []
        last = -1
        scanned = self._stream.scan(partition, behind, milliseconds)
        for number, entry in enumerate(scanned):
            taken_at = entry.queued.milliseconds
            # What was taken in one millisecond is looked at whole.
            if number >= _MAX_ENTRIES and taken_at > last:
                return entries, taken_at
            last = taken_at
            if entry.rank is not None:
                entries.append(entry)
        return entries, math.inf


def _have_ties(entries: Mapping[int, Sequence[Entry]]) -> bool:
    return any(
        entry.rank is not None and entry.rank.after
        for queue in entries.values()
        for entry in queue
    )


def _list_asked(batch: Mapping[int, Sequence[Queued]]) -> dict[int, int]:
    """Return the partitions that others come after, and when the last was taken."""
    asked: dict[int, int] = {}
    for queue in batch.values():
        for one in queue:
            for partition, _ in one.rank.after if one.rank else ():
                asked[partition] = max(asked.get(partition, 0), one.milliseconds)
    return asked


def _find_names(entry: Entry, catalog: Catalog, kinds: Set[str]) -> Set[KeyName] | None:
    """Return what an import that waits will touch; None if that cannot be told.

    One that will be refused touches nothing.
    """
    try:
        import_ = decode(entry.payload)
        if import_.database_id not in catalog.databases:
            return frozenset()
        search = build_route_search(import_, catalog)
    except (MalformedEntry, Rejected):
        return frozenset()
    return find_touched(import_, search, catalog, kinds)


def find_deferred(
    leases: Iterable[Lease],
    entries: Mapping[int, Sequence[Entry]],
    parts: Iterable[PartitionBatch],
) -> list[Advance]:
    """Return where partitions stay whose first import waits for another.

    That they were looked at is noted: they do not stand still for want of a drain.
    """
    shared = {part.partition for part in parts}
    return [
        Advance(partition=one.partition, position=one.position)
        for one in leases
        if one.partition in entries and one.partition not in shared
    ]
