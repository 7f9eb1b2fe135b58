"""The lanes of a partition, in Redis: which entries may be applied before others.

All entries of a partition stand in one stream, in the order accepted. While entries of
the bulk lane wait there, two keys beside the stream say which may overtake them:

- the *bulk keys*: a hash that counts the waiting entries of the bulk lane by the key of
  their imports. It exists as long as there are any. Its field `since` is the id of the
  first entry that was counted;
- the *live index*: a stream with the ids of the entries of the live lane that were
  appended while the hash existed, each with the key of its import.

So an entry of the live index goes before whatever waits, if no entry of the bulk lane
has its key, no earlier one of the index with its key is left behind, and nothing waits
that was appended before `since`, for that is in neither of the two. Whoever applies
entries, first in the order accepted or first in the live index, has the lease of the
partition; that a moment after reading them another entry is appended changes nothing.

While no entry of the bulk lane waits, neither key exists, and nothing is asked of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.domain.lanes import Lane
from ingest.domain.ranks import Rank
from ingest.streams.queues import (
    bulk_keys_key,
    journal_key,
    live_index_key,
    stream_key,
)
from ingest.wire.acceptance_log import FIELD
from ingest.wire.ranks import dump_rank

#: The fields by which an entry says its lane; the value is the key of its import.
BULK_FIELD, LIVE_FIELD = b"bulk", b"live"
#: A live import that comes after others of its request, and so overtakes nothing.
_TIED = "tied"
_JOURNAL = "journal"

#: Appends entries, each to the stream of its partition, and returns their ids. KEYS
#: come in fours: stream, journal, bulk keys, live index. Of each entry ARGV has the
#: number of its four, its lane, its key, the number of its fields, and those.
APPEND = """
local at, waits, ids = 1, {}, {}
local function take()
    at = at + 1
    return ARGV[at - 1]
end
local function is_bulk_waiting(four)
    if waits[four] == nil then
        waits[four] = redis.call('EXISTS', KEYS[four + 3]) == 1
        if waits[four] and redis.call('XLEN', KEYS[four + 1]) == 0 then
            -- Whoever dropped the last entry was of a release without lanes.
            redis.call('DEL', KEYS[four + 3], KEYS[four + 4])
            waits[four] = false
        end
    end
    return waits[four]
end
while at <= #ARGV do
    local four = 4 * take()
    local lane = take()
    local key = take()
    local count = 2 * take()
    local first, last = at, at + count - 1
    at = at + count
    local stream = KEYS[four + 1]
    if lane == 'journal' then
        redis.pcall('XADD', KEYS[four + 2], '*', unpack(ARGV, first, last))
    elseif lane == 'bulk' then
        local waiting = is_bulk_waiting(four)
        local id = redis.pcall('XADD', stream, '*', 'bulk', key,
                               unpack(ARGV, first, last))
        if type(id) == 'string' then
            if not waiting then
                redis.call('HSET', KEYS[four + 3], 'since', id)
                waits[four] = true
            end
            redis.call('HINCRBY', KEYS[four + 3], key, 1)
        end
        ids[#ids + 1] = id
    elseif is_bulk_waiting(four) then
        local id = redis.pcall('XADD', stream, '*', 'live', key,
                               unpack(ARGV, first, last))
        if type(id) == 'string' then
            redis.call('XADD', KEYS[four + 4], id, lane, key)
        end
        ids[#ids + 1] = id
    else
        -- An error is the reply to this entry alone.
        ids[#ids + 1] = redis.pcall('XADD', stream, '*', unpack(ARGV, first, last))
    end
end
return ids
"""

#: Returns the first entries of KEYS[1] that may overtake, ARGV[1] at most, and no more
#: bytes than ARGV[2]: only the first may be longer. KEYS[2] are the bulk keys, KEYS[3]
#: is the live index.
READ_LIVE = """
local since = redis.call('HGET', KEYS[2], 'since')
local entries, bytes, blocked = {}, 0, {}
if not since or #redis.call('XRANGE', KEYS[1], '-', '(' .. since, 'COUNT', 1) > 0 then
    return entries
end
for _, one in ipairs(redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1000)) do
    local id, lane, key = one[1], one[2][1], one[2][2]
    if blocked[key] or lane == 'tied'
            or redis.call('HEXISTS', KEYS[2], key) == 1 then
        blocked[key] = true
    else
        local found = redis.call('XRANGE', KEYS[1], id, id)[1]
        if not found then
            redis.call('XDEL', KEYS[3], id)
        else
            for field = 2, #found[2], 2 do
                bytes = bytes + #found[2][field]
            end
            if #entries > 0 and bytes > tonumber(ARGV[2]) then
                break
            end
            entries[#entries + 1] = found
            if #entries >= tonumber(ARGV[1]) then
                break
            end
        end
    end
end
return entries
"""

#: Drops entries of KEYS[1], the bulk keys and the live index being KEYS[2] and KEYS[3].
#: Of each entry ARGV has its id, its lane, and its key.
DROP = """
for at = 1, #ARGV, 3 do
    local id, lane, key = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local dropped = redis.call('XDEL', KEYS[1], id)
    if lane == 'live' then
        redis.call('XDEL', KEYS[3], id)
    elseif lane == 'bulk' and dropped == 1 then
        local count = redis.call('HGET', KEYS[2], key)
        if count and tonumber(count) > 1 then
            -- A full Redis refuses this: imports of this key overtake nothing then,
            -- until the stream is empty
            redis.pcall('HINCRBY', KEYS[2], key, -1)
        else
            redis.call('HDEL', KEYS[2], key)
        end
    end
end
if redis.call('HLEN', KEYS[2]) == 1 then
    redis.call('DEL', KEYS[2])
end
return redis.status_reply('OK')
"""


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


def append_command(
    additions: Iterable[Addition],
    records: Iterable[tuple[int, bytes]],
    *,
    reply_to: bytes,
) -> list[Any]:
    """Return the command that appends all of `additions` in their order, or none.

    With `records` of the journals, by partition. Outcomes that are awaited go to
    `reply_to`. Its reply has the ids of the entries.
    """
    fours: dict[int, int] = {}
    told: list[Any] = []
    for one in additions:
        four = fours.setdefault(one.partition, len(fours))
        fields = [b"import", one.payload]
        if one.awaited:
            fields += (b"reply_to", reply_to)
        if one.rank is not None:
            for pair in dump_rank(one.rank).items():
                fields += pair
        lane = _TIED if one.rank and one.lane is Lane.LIVE else one.lane.value
        told += (four, lane, one.key, len(fields) // 2, *fields)
    for partition, record in records:
        four = fours.setdefault(partition, len(fours))
        told += (four, _JOURNAL, b"", 1, FIELD, record)
    keys = [key for partition in fours for key in _list_keys(partition)]
    return ["EVAL", APPEND, len(keys), *keys, *told]


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


def read_ids(reply: object, count: int) -> Sequence[object]:
    """Return what Redis said of each of `count` entries; it may refuse all at once."""
    return reply if isinstance(reply, list) else [reply] * count
