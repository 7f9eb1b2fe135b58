"""Imports of a batch that wait for others, and the order of the rest.

A *deferral* is of an import that comes after one of its request (`ranks`), which waits
in another partition. With it is deferred what is behind it in its own.

Nobody waits for ever. An import is deferred by entries that Redis took in the same
millisecond or before, and stands behind such. In the same millisecond only rows of its
own request with smaller numbers defer it, which were appended before. A row that stands
behind a later one of its request was accepted again: it was applied before that one,
and defers nothing. So no chain of deferrals comes back to where it began, and the entry
that was appended first of all is never deferred.
"""

import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from uuid import UUID

from msgspec import Struct

from ingest.domain.batches import Prepared, written_keys
from ingest.domain.errors import PenstockError
from ingest.domain.lookups import Lookup
from ingest.domain.ranks import KeyName, Rank, find_names
from ingest.domain.workspace import Workspace


class Deferred(PenstockError):
    """Imports of a batch come after others that wait: it is to be cut before them."""

    def __init__(self, deferrals: Iterable["Deferral"]) -> None:
        super().__init__("Imports come after others that wait")
        self.deferrals = list(deferrals)


class Deferral(Struct, frozen=True):
    """The first import of a partition that has to wait, and for which partition."""

    partition: int
    #: How many entries of its partition go before it.
    index: int
    awaited: int


class Queued(Struct, frozen=True):
    """An entry of a stream, as far as its order is concerned."""

    #: When Redis took it.
    milliseconds: int
    rank: Rank | None = None

    def is_of(self, request: str, row: int, milliseconds: int) -> bool:
        """Tell whether it is a row of `request` up to `row`, taken in time."""
        rank = self.rank
        return (
            rank is not None
            and rank.request == request
            and rank.row <= row
            and self.milliseconds <= milliseconds
        )


class Beyond(Struct, frozen=True):
    """Waiting entries of a partition that are not in the batch."""

    entries: Sequence[Queued] = ()
    #: Of what was taken at this time or later nothing is known, but that older entries
    #: go before it.
    known_until: float = math.inf


WaitingEntries = Mapping[int, Sequence[Queued]]


def is_first(entries: Iterable[Queued]) -> list[bool]:
    """Tell which entries of a partition are not surely accepted again.

    The rows of a request are appended in their order, so one behind a later one is.
    """
    highest: dict[str, int] = {}
    told = []
    for one in entries:
        rank = one.rank
        told.append(rank is None or rank.row > highest.get(rank.request, 0))
        if rank is not None and told[-1]:
            highest[rank.request] = rank.row
    return told


def find_deferrals(
    batch: WaitingEntries, beyond: Mapping[int, Beyond]
) -> list[Deferral]:
    """Return the first import that has to wait, of each partition that has one.

    `batch` holds entries by partition, and `beyond` what waits behind them, and in
    partitions that the batch is not of.
    """
    deferrals: dict[int, Deferral] = {}
    ends = {partition: len(queue) for partition, queue in batch.items()}
    cut = True
    # What is cut may be what others come after.
    while cut:
        cut = False
        for partition, queue in batch.items():
            for index in range(ends[partition]):
                awaited = _find_awaited(queue[index], batch, ends, beyond)
                if awaited is not None:
                    deferrals[partition] = Deferral(partition, index, awaited)
                    ends[partition], cut = index, True
                    break
    return list(deferrals.values())


def _find_awaited(
    one: Queued,
    batch: WaitingEntries,
    ends: Mapping[int, int],
    beyond: Mapping[int, Beyond],
) -> int | None:
    """Return the partition in which something waits that comes before `one`."""
    if one.rank is None:
        return None
    for partition, row in one.rank.after:
        asked = one.rank.request, row, one.milliseconds
        queue, end = batch.get(partition, ()), ends.get(partition, 0)
        rest = beyond.get(partition, Beyond())
        if one.milliseconds >= rest.known_until:
            return partition
        waiting = [*queue[end:], *rest.entries]
        if not any(each.is_of(*asked) for each in waiting):
            continue
        firsts = is_first([*queue, *rest.entries])[end:]
        if any(
            first and each.is_of(*asked)
            for first, each in zip(firsts, waiting, strict=True)
        ):
            return partition
    return None


def in_turn(batch: WaitingEntries) -> Iterator[tuple[int, int]]:
    """Return the entries of `batch`, as partition and index, in the order to apply.

    Those of a partition in their order, and those of a request by their rows.
    """
    turns = _list_rows(batch)
    heads = dict.fromkeys(batch, 0)
    gone: set[tuple[int, int]] = set()
    left = sum(map(len, batch.values()))
    forced = False
    while len(gone) < left:
        before = len(gone)
        for partition, queue in batch.items():
            while (head := heads[partition]) < len(queue):
                rank = queue[head].rank
                if rank is not None and not forced:
                    turn = turns[rank.request]
                    while turn[0][2:] in gone:
                        turn.popleft()
                    if turn[0][2:] != (partition, head):
                        break
                yield partition, head
                gone.add((partition, head))
                heads[partition], forced = head + 1, False
        # Rows that were accepted again may cross; they are known by their receipts.
        forced = len(gone) == before


def _list_rows(batch: WaitingEntries) -> dict[str, deque[tuple[int, int, int, int]]]:
    """Return each request's entries in the order to apply: where they stand comes last.

    What was accepted again comes later.
    """
    turns: dict[str, list[tuple[int, int, int, int]]] = {}
    for partition, queue in batch.items():
        for index, one in enumerate(queue):
            if one.rank is not None:
                place = (one.milliseconds, one.rank.row, partition, index)
                turns.setdefault(one.rank.request, []).append(place)
    return {request: deque(sorted(places)) for request, places in turns.items()}


class Suspect(Struct, frozen=True):
    """An import of which Postgres shows more names than it says itself."""

    import_id: UUID
    rank: Rank
    #: The names of those that it may touch, its own too.
    names: frozenset[KeyName]

    def comes_after(
        self,
        milliseconds: int,
        waiting: Iterable[tuple[Queued, Set[KeyName] | None]],
        known_until: float,
    ) -> bool:
        """Tell whether something that waits goes before it.

        `waiting` has the names that each touches, None for any; `milliseconds` is when
        Redis took the suspect.
        """
        asked = self.rank.request, self.rank.row - 1, milliseconds
        return milliseconds >= known_until or any(
            one.is_of(*asked) and (names is None or not names.isdisjoint(self.names))
            for one, names in waiting
        )


def find_suspects(
    workspace: Workspace, ranked: Collection[tuple[Prepared, Rank]]
) -> Iterator[Suspect]:
    """Return the imports that may touch one profile with rows that share no name.

    Of those that share one, or are joined by rows that do, `Ranking` knew.
    """
    requests: dict[str, list[tuple[Prepared, Rank]]] = {}
    for prepared, rank in ranked:
        # Those without kinds come after everything before them anyway.
        if rank.kinds and not prepared.faults:
            requests.setdefault(rank.request, []).append((prepared, rank))
    for rows in requests.values():
        yield from _find_suspects(workspace, rows)


def _find_suspects(
    workspace: Workspace, rows: Sequence[tuple[Prepared, Rank]]
) -> Iterator[Suspect]:
    kinds = {kind for _, rank in rows for kind in rank.kinds}
    database_id = rows[0][0].import_.database_id
    links = []
    for keys in workspace.list_keys(database_id):
        names = _names(keys, kinds)
        if len(names) > 1:
            links.append(names)
    if not links:
        return
    touched = [_names(_keys(one, workspace), kinds) for one, _ in rows]
    joined = _join([*links, *(names for names in touched if len(names) > 1)])
    for (prepared, rank), own in zip(rows, touched, strict=True):
        names = own.union(*(joined[name] for name in own if name in joined))
        if len(names) > len(own):
            import_id = prepared.import_.import_id
            yield Suspect(import_id, rank, frozenset(names))


def _keys(prepared: Prepared, workspace: Workspace) -> Iterator[Lookup]:
    yield from prepared.search.lookups
    yield from written_keys(prepared, workspace.catalog)


def _names(keys: Iterable[Lookup], kinds: Set[str]) -> set[KeyName]:
    return {name for name in find_names(keys) if name[0] in kinds}


def _join(links: Iterable[set[KeyName]]) -> dict[KeyName, set[KeyName]]:
    """Return for each name all that the `links` hold together with it."""
    joined: dict[KeyName, set[KeyName]] = {}
    for link in links:
        whole = set(link)
        for name in link:
            whole |= joined.get(name, set())
        for name in whole:
            joined[name] = whole
    return joined
