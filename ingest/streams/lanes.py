"""The lanes of a partition, in Redis: which entries may be applied before others.

All entries of a partition stand in one stream, in the order accepted. While entries of
the bulk lane wait there, two keys beside the stream say which may overtake them:

- the *bulk keys*: a hash that counts the waiting entries of the bulk lane by the key of
  their imports. It exists as long as there are any. Its field `since` is the id of the
  first entry that was counted;
- the *live index*: a stream with the ids of the entries of the live lane that were
  appended while the hash existed, each with the key of its import.

So an entry of the live index goes before whatever waits, if no entry of the bulk lane
has its key, no earlier one of the index with its key or of its request is left behind,
and nothing waits that was appended before `since`, for that is in neither of the two.
Whoever applies entries, first in the order accepted or first in the live index, has the
lease of the partition; that a moment after reading them another entry is appended
changes nothing.

While no entry of the bulk lane waits, neither key exists, and nothing is asked of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from msgspec import Struct

from ingest.domain.lanes import Lane
from ingest.domain.ranks import Rank
from ingest.streams.queues import (
    LISTENER_KEY,
    bell_key,
    bulk_keys_key,
    journal_key,
    live_index_key,
    stream_key,
)
from ingest.wire.acceptance_log import FIELD
from ingest.wire.ranks import dump_rank

#: The fields by which an entry says its lane; the value is the key of its import.
BULK_FIELD, LIVE_FIELD = b"bulk", b"live"
#: A live import that comes after others of its request in other partitions, and so
#: overtakes nothing.
_TIED = "tied"
_JOURNAL = "journal"


def _read_script(name: str) -> str:
    """Return a script of ingest/streams/scripts, which says what it takes."""
    return (files("ingest.streams") / "scripts" / name).read_text()


_APPEND = _read_script("append.lua")
READ_LIVE = _read_script("read_live.lua")
DROP = _read_script("drop.lua")


class Addition(Struct, frozen=True, kw_only=True):
    """An entry to append."""

    partition: int
    payload: bytes
    lane: Lane = Lane.LIVE
    #: The key of the import, as `matching.route_key` returns it.
    key: bytes = b""
    rank: Rank | None = None
    #: Whether somebody is to be told of the outcome.
    awaited: bool = False


class AppendReply(Struct, frozen=True, kw_only=True):
    """The reply of Redis to a command that appends."""

    #: The id of each entry, or why it was refused.
    ids: Sequence[object]
    #: Whether a drain listens on every stream.
    listened: bool = False
    #: The partitions for which a bell is pending, of those that got entries.
    rung: frozenset[int] = frozenset()
    #: Entries that wait in all partitions.
    waiting: int = 0


class AppendCommand:
    """Entries for the streams, and a look at these, in one command."""

    def __init__(
        self,
        partitions: int,
        additions: Iterable[Addition],
        records: Iterable[tuple[int, bytes]],
        *,
        reply_to: bytes = b"",
    ) -> None:
        """Append all of `additions` in their order, or none.

        With `records` of the journals, by partition. Outcomes that are awaited go to
        `reply_to`.
        """
        self._fives: dict[int, int] = {}
        self._count = 0
        told: list[Any] = []
        for one in additions:
            self._count += 1
            told += self._dump(one, reply_to)
        for partition, record in records:
            five = self._fives.setdefault(partition, len(self._fives))
            told += (five, _JOURNAL, b"", b"", 1, FIELD, record)
        keys = [LISTENER_KEY]
        for partition in self._fives:
            keys += (*_list_keys(partition), bell_key(partition))
        keys += (
            stream_key(other) for other in range(partitions) if other not in self._fives
        )
        self.parts = ["EVAL", _APPEND, len(keys), *keys, len(self._fives), *told]

    def _dump(self, one: Addition, reply_to: bytes) -> Sequence[Any]:
        fields = [b"import", one.payload]
        if one.awaited:
            fields += (b"reply_to", reply_to)
        rank, lane, request = one.rank, one.lane.value, ""
        if rank is not None:
            request = rank.request
            lane = _TIED if rank.after and one.lane is Lane.LIVE else lane
            for pair in dump_rank(rank).items():
                fields += pair
        five = self._fives.setdefault(one.partition, len(self._fives))
        return five, lane, one.key, request, len(fields) // 2, *fields

    def read(self, reply: object) -> AppendReply:
        """Read what Redis said; it may refuse all at once."""
        if not isinstance(reply, list):
            return AppendReply(ids=[reply] * self._count)
        ids, listened, bells, waiting = reply
        rung = (one for one, bell in zip(self._fives, bells, strict=True) if bell)
        return AppendReply(
            ids=ids, listened=bool(listened), rung=frozenset(rung), waiting=waiting
        )


def _list_keys(partition: int) -> tuple[str, str, str, str]:
    return (
        stream_key(partition),
        journal_key(partition),
        bulk_keys_key(partition),
        live_index_key(partition),
    )


def lane_keys(partition: int) -> tuple[str, str, str]:
    """Return the KEYS of `READ_LIVE` and of `DROP`."""
    stream, _, bulk, live = _list_keys(partition)
    return stream, bulk, live


def find_lane(fields: Mapping[bytes, bytes]) -> tuple[Lane | None, bytes]:
    """Return the lane and the key that an entry has; None for one of neither."""
    if (key := fields.get(BULK_FIELD)) is not None:
        return Lane.BULK, key
    if (key := fields.get(LIVE_FIELD)) is not None:
        return Lane.LIVE, key
    return None, b""
