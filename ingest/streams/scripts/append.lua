-- Appends entries, each to the stream of its partition, and returns their ids. KEYS come
-- in fours: stream, journal, bulk keys, live index. Of each entry ARGV has the number of
-- its four, its lane, its key, its request, the number of its fields, and those.
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
    local request = take()
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
            redis.call('XADD', KEYS[four + 4], id, lane, key, 'request', request)
        end
        ids[#ids + 1] = id
    else
        -- An error is the reply to this entry alone.
        ids[#ids + 1] = redis.pcall('XADD', stream, '*', unpack(ARGV, first, last))
    end
end
return ids
