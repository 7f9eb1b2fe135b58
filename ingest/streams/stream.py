"""Redis as workers use it: read accepted imports, drop applied ones, tell outcomes."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson
import redis
from msgspec import Struct

from ingest.domain.answers import Answer
from ingest.domain.deferrals import Queued
from ingest.domain.entry_ids import entry_order, entry_time
from ingest.domain.lanes import Lane
from ingest.domain.ranks import Rank
from ingest.streams.connections import REPEATS, connect_blocking
from ingest.streams.lanes import DROP, READ_LIVE, find_lane, lane_keys
from ingest.streams.partitioning import WORKER_CLIENT
from ingest.streams.queues import (
    BELL_GUARD_SECONDS,
    CELERY_KEY_PREFIX,
    DELIVERY_HINT_KEY,
    LISTENER_KEY,
    NOTES_FROM_KEY,
    SETTLED_KEY,
    SWEPT_KEY,
    UPKEEP,
    bell_key,
    heartbeat_key,
    live_index_key,
    notes_key,
    outcomes_channel,
    stream_key,
)
from ingest.wire.answers import dump_answers
from ingest.wire.ranks import RANK_FIELD, load_rank

#: A listener that is not heard of for this long is gone, and bells ring again.
_ATTEND_MILLISECONDS = 2000
#: The listener says so again after this long.
_RENEW_SECONDS = 0.4
#: Bytes of entries read at once, unless others are asked for.
_MAX_BYTES = 16 * 1024 * 1024
#: Minutes of notes that are kept though nothing of them waits, since intakes estimate
#: them; and how many are dropped at once.
_NOTED_MINUTES = 2
_MAX_MINUTES = 1000
#: Entries read at once by `Stream.scan`.
_PAGE_ENTRIES = 200
#: The one field of an entry that is no import.
_HEARTBEAT = b"heartbeat"

#: Reads a stream's entries from ARGV[3] to ARGV[4], the first ARGV[1] at most, and no
#: more bytes than ARGV[2]: only the first may be longer. A page at a time, lest Redis
#: holds what nobody will read.
_READ = """
local entries, bytes, start = {}, 0, ARGV[3]
local left, most = tonumber(ARGV[1]), tonumber(ARGV[2])
while left > 0 do
    local count = math.min(left, 20)
    local page = redis.call('XRANGE', KEYS[1], start, ARGV[4], 'COUNT', count)
    for _, entry in ipairs(page) do
        for at = 2, #entry[2], 2 do
            bytes = bytes + #entry[2][at]
        end
        if bytes > most and #entries > 0 then
            return entries
        end
        entries[#entries + 1] = entry
    end
    if #page < count then
        break
    end
    left = left - count
    start = '(' .. page[count][1]
end
return entries
"""


class Entry(Struct, frozen=True, kw_only=True):
    """One entry of a stream: an accepted import, still encoded."""

    #: Redis's own id, such as `1700000000000-0`.
    id: str
    payload: bytes
    #: The intake process whose caller may be waiting; empty for none.
    reply_to: str
    #: Appended by upkeep to see that entries get through; no import.
    is_heartbeat: bool = False
    #: Of an import that was one of several in its request.
    rank: Rank | None = None
    #: None for one that neither lane counts: none of the bulk lane waited then.
    lane: Lane | None = None
    #: The key of the import, if it has a lane.
    key: bytes = b""

    @property
    def queued(self) -> Queued:
        """Its place in the order of imports."""
        return Queued(entry_order(self.id)[0], self.rank)

    @property
    def appended_at(self) -> datetime:
        """When Redis took it, by its clock (UTC)."""
        return entry_time(self.id)


class Waiting(Struct, frozen=True):
    """A partition that has entries, and how many."""

    partition: int
    entries: int


class Stream:
    """The streams of accepted imports, one per partition."""

    def __init__(self, client: redis.Redis, partitions: int) -> None:
        self._redis = client
        self._keys = [stream_key(partition) for partition in range(partitions)]
        # The partitions in which entries of the bulk lane were seen.
        self._with_bulk: set[int] = set()
        self._attends_until = 0.0

    def look(self) -> list[Waiting]:
        """Return what waits in each partition, the one with the oldest entry first."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in self._keys:
            pipeline.xrange(key, count=1)
            pipeline.xlen(key)
        replies = pipeline.execute()
        pairs = list(zip(replies[::2], replies[1::2], strict=True))
        self._note_lanes([rows for rows, _ in pairs])
        found = [
            (entry_order(rows[0][0].decode()), Waiting(number, max(length, 1)))
            for number, (rows, length) in enumerate(pairs)
            if rows
        ]
        return [waiting for _, waiting in sorted(found, key=itemgetter(0))]

    def _note_lanes(self, heads: Sequence[Any]) -> None:
        """Remember where entries of the bulk lane wait, by the first of each stream."""
        for partition, rows in enumerate(heads):
            if not rows:
                self._with_bulk.discard(partition)
            elif find_lane(rows[0][1])[0] is not None:
                self._with_bulk.add(partition)

    def look_live(self) -> list[Waiting]:
        """Return how many entries may overtake in partitions where any do.

        Costs nothing while no entry of the bulk lane waits.
        """
        partitions = sorted(self._with_bulk)
        if not partitions:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        for partition in partitions:
            pipeline.xlen(live_index_key(partition))
        return [
            Waiting(partition, length)
            for partition, length in zip(partitions, pipeline.execute(), strict=True)
            if length
        ]

    def read_live(
        self, counts: Mapping[int, int], max_bytes: int = _MAX_BYTES
    ) -> dict[int, list[Entry]]:
        """Return the first entries of some partitions that may overtake, by partition.

        As many as `counts` says, and no more than `max_bytes`, but for one of each.
        """
        share = max_bytes // max(1, len(counts))
        pipeline = self._redis.pipeline(transaction=False)
        for partition, count in counts.items():
            keys = lane_keys(partition)
            pipeline.eval(READ_LIVE, len(keys), *keys, str(count), str(share))
        return _read_rows(counts, pipeline.execute())

    def waiting(self) -> list[int]:
        """Return the partitions that have entries, the one with the oldest first."""
        return [one.partition for one in self.look()]

    def read(
        self, partition: int, count: int, max_bytes: int = _MAX_BYTES
    ) -> list[Entry]:
        """Return the first `count` entries of `partition`, in the order accepted."""
        return self.read_each({partition: count}, max_bytes)[partition]

    def read_each(
        self, counts: Mapping[int, int], max_bytes: int = _MAX_BYTES
    ) -> dict[int, list[Entry]]:
        """Return the first entries of some partitions, as many as `counts` says.

        No more than `max_bytes` of them all, but for one entry of each.
        """
        share = max_bytes // max(1, len(counts))
        pipeline = self._redis.pipeline(transaction=False)
        for partition, count in counts.items():
            key = self._keys[partition]
            pipeline.eval(_READ, 1, key, str(count), str(share), "-", "+")
        return _read_rows(counts, pipeline.execute())

    def find(self, partition: int, entry_id: str = "") -> Entry | None:
        """Return the entry of this id, or the first; None if it is not there."""
        first, last = (entry_id, entry_id) if entry_id else ("-", "+")
        rows = self._redis.xrange(self._keys[partition], first, last, count=1)
        return _entry(*rows[0]) if rows else None

    def scan(
        self, partition: int, behind: str | None, milliseconds: int
    ) -> Iterator[Entry]:
        """Return the entries of `partition` that Redis took up to a moment, in pages.

        All, or those `behind` an entry.
        """
        key, count, most = self._keys[partition], str(_PAGE_ENTRIES), str(_MAX_BYTES)
        while True:
            start = "-" if behind is None else f"({behind}"
            # redis-py types what a script returns as anything, or what awaits it.
            rows: Any = self._redis.eval(
                _READ, 1, key, count, most, start, str(milliseconds)
            )
            page = [_entry(id_, fields) for id_, fields in map(_pair, rows)]
            yield from page
            if not page:
                return
            behind = page[-1].id

    def settle(
        self,
        applied: Mapping[int, Sequence[Entry]],
        answers: Mapping[str, Sequence[Answer]],
    ) -> None:
        """Drop entries, by partition, and publish `answers`, by intake process."""
        pipeline = self._redis.pipeline(transaction=False)
        for reply_to, awaited in answers.items():
            pipeline.publish(outcomes_channel(reply_to), dump_answers(awaited))
        for partition, entries in applied.items():
            if any(entry.lane for entry in entries):
                keys = lane_keys(partition)
                told = (
                    part
                    for entry in entries
                    for part in (entry.id, entry.lane or "", entry.key)
                )
                pipeline.eval(DROP, len(keys), *keys, *told)
            else:
                pipeline.xdel(self._keys[partition], *(each.id for each in entries))
        pipeline.incrby(SETTLED_KEY, sum(map(len, applied.values())))
        *replies, _counted = pipeline.execute(raise_on_error=False)
        # A Redis that is full still drops entries, though it counts no more.
        for reply in replies:
            if isinstance(reply, redis.RedisError):
                raise reply

    def lift(self, partition: int, position: str) -> None:
        """Let new entries of `partition` follow after `position`.

        A Redis that was restored or wiped may give out ids again, if its clock is
        behind too. What was applied is known by the import's id and not by these, yet
        they are what an operator and a dead letter call an entry by.
        """
        key = self._keys[partition]
        with self._redis.pipeline() as pipeline, suppress(redis.WatchError):
            # Whatever is appended meanwhile shows whether there is still need.
            # redis-py leaves these untyped.
            pipeline.watch(key)  # type: ignore[no-untyped-call]
            if not pipeline.exists(key):
                return
            last = pipeline.xinfo_stream(key)["last-generated-id"]
            if entry_order(last.decode()) < entry_order(position):
                pipeline.multi()
                pipeline.execute_command("XSETID", key, position)  # type: ignore[no-untyped-call]
                pipeline.execute()

    def attend(self, name: str) -> bool:
        """Claim, or keep, the listener's place for `name`; False if it is another's.

        While the place is taken intakes ring no bell: the listener has promised to
        look at every stream again after each batch. The promise expires with it; one
        made a moment ago is not renewed.
        """
        now = time.monotonic()
        if now < self._attends_until:
            return True
        if not self._claim_place(name):
            return False
        self._attends_until = now + _RENEW_SECONDS
        return True

    def _claim_place(self, name: str) -> bool:
        if self._redis.set(LISTENER_KEY, name, nx=True, px=_ATTEND_MILLISECONDS):
            return True
        if self._redis.get(LISTENER_KEY) != name.encode():
            return False
        self._redis.pexpire(LISTENER_KEY, _ATTEND_MILLISECONDS)
        return True

    def leave(self) -> None:
        """Give the listener's place up; the caller must look once more after it."""
        self._attends_until = 0.0
        self._redis.delete(LISTENER_KEY)

    def wait(self, seconds: float, busy: Iterable[int]) -> bool:
        """Wait up to `seconds` for a new entry; tell whether one came.

        The partitions in `busy` have entries that another drain works on: only newer
        ones count there.
        """
        last: dict[Any, Any] = dict.fromkeys(self._keys, "0-0")
        for partition in busy:
            rows = self._redis.xrevrange(self._keys[partition], count=1)
            last[self._keys[partition]] = rows[0][0] if rows else "0-0"
        return bool(self._redis.xread(last, count=1, block=int(seconds * 1000)))

    def has_upkeep(self) -> bool:
        """Tell whether a task of upkeep waits for a worker."""
        return bool(self._redis.llen(f"{CELERY_KEY_PREFIX}{UPKEEP}"))

    def beat(self, partition: int) -> bool:
        """Append a heartbeat; False while the last one of `partition` still waits."""
        stream, key = self._keys[partition], heartbeat_key(partition)
        last: bytes | None = self._redis.hget(key, "last")  # type: ignore[assignment]
        if last is not None and self._redis.xrange(stream, last, last):
            return False
        id_ = self._redis.xadd(stream, {_HEARTBEAT: b"1"})
        self._redis.hset(key, "last", id_)
        self._redis.hincrby(key, "sent", 1)
        return True

    def answer_bells(self) -> None:
        """Clear the guards of pending bells, so that the next append rings again."""
        self._redis.delete(*(bell_key(number) for number in range(len(self._keys))))

    def claim_bell(self, partition: int) -> bool:
        """Claim the right to ring for `partition`; False while a bell is pending."""
        claimed = self._redis.set(
            bell_key(partition), b"1", nx=True, ex=BELL_GUARD_SECONDS
        )
        return bool(claimed)

    def note_sweep(self) -> None:
        """Leave the time, so that a sweep that has stopped is noticed."""
        seconds, _ = self._redis.time()
        self._redis.set(SWEPT_KEY, seconds)

    def drop_notes(self) -> None:
        """Drop the notes of minutes of which nothing waits any more."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(NOTES_FROM_KEY)
        for key in self._keys:
            pipeline.xrange(key, count=1)
        (seconds, _), begun, *heads = pipeline.execute()
        oldest = [
            entry_order(rows[0][0].decode())[0] // 60_000 for rows in heads if rows
        ]
        kept = min([int(seconds) // 60, *oldest]) - _NOTED_MINUTES
        # A clock that was set back makes a minute one to look through again.
        first = kept if begun is None else min(int(begun), kept)
        dropped = range(first, kept)[:_MAX_MINUTES]
        if begun is not None and dropped.stop == int(begun):
            return
        pipeline = self._redis.pipeline(transaction=False)
        if dropped:
            pipeline.unlink(*(notes_key(minute) for minute in dropped))
        pipeline.set(NOTES_FROM_KEY, dropped.stop)
        pipeline.execute()

    def claim_hint(self) -> bool:
        """Claim the right to hint that events wait; False while a hint is pending."""
        claimed = self._redis.set(
            DELIVERY_HINT_KEY, b"1", nx=True, ex=BELL_GUARD_SECONDS
        )
        return bool(claimed)

    def answer_hint(self) -> None:
        """Clear the guard of a pending hint; the caller must look after it."""
        self._redis.delete(DELIVERY_HINT_KEY)

    def close(self) -> None:
        """Give up the connections to Redis."""
        self._redis.close()


def open_stream(redis_url: str, partitions: int) -> Stream:
    """Connect lazily to Redis at `redis_url`, where there must be `partitions`."""
    # Whatever is done here may be done twice.
    client = connect_blocking(
        redis_url, client_name=WORKER_CLIENT, partitions=partitions, repeats=REPEATS
    )
    return Stream(client, partitions)


def _read_rows(
    partitions: Iterable[int], replies: Iterable[Any]
) -> dict[int, list[Entry]]:
    """Read what a script returned for each of `partitions`."""
    return {
        partition: [_entry(id_, fields) for id_, fields in map(_pair, rows)]
        for partition, rows in zip(partitions, replies, strict=True)
    }


def _pair(row: Any) -> tuple[Any, dict[bytes, bytes]]:
    """Read one entry as a script returns it: its id, then names and values in turn."""
    id_, parts = row
    return id_, dict(zip(parts[::2], parts[1::2], strict=True))


def _entry(id_: Any, fields: Any) -> Entry:
    """Read one row of XRANGE, whose bytes redis-py types as anything."""
    payload = fields.get(b"import")
    lane, key = find_lane(fields)
    return Entry(
        id=id_.decode(),
        payload=_dump_fields(fields) if payload is None else payload,
        reply_to=fields.get(b"reply_to", b"").decode(errors="replace"),
        is_heartbeat=_HEARTBEAT in fields,
        rank=load_rank(fields[RANK_FIELD]) if RANK_FIELD in fields else None,
        lane=lane,
        key=key,
    )


def _dump_fields(fields: Mapping[bytes, bytes]) -> bytes:
    """Keep an entry that holds no import: somebody's mistake, to be looked at."""
    shown = {
        name.decode(errors="backslashreplace"): value.decode(errors="backslashreplace")
        for name, value in fields.items()
    }
    return orjson.dumps(shown)
