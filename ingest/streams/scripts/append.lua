-- Appends entries, each to the stream of its partition. Returns their ids, whether a drain
-- listens, by partition whether a bell is pending, and how many entries wait in all.
--
-- The first of KEYS tells of the listener. Fives follow, as many as ARGV[1] says: stream,
-- journal, bulk keys, live index, bell. The rest are the streams of other partitions. Of
-- each entry ARGV has the number of its five, its lane, its key, its request, the number
-- of its fields, and those.
local fives, at, waits, ids, bulk = tonumber(ARGV[1]), 2, {}, {}, {}
local function take()
    at = at + 1
    return ARGV[at - 1]
end
local function is_bulk_waiting(five)
    if waits[five] == nil then
        waits[five] = redis.call('EXISTS', KEYS[five + 3]) == 1
        if waits[five] and redis.call('XLEN', KEYS[five + 1]) == 0 then
            -- Whoever dropped the last entry was of a release without lanes.
            redis.call('DEL', KEYS[five + 3], KEYS[five + 4])
            waits[five] = false
        end
    end
    return waits[five]
end
while at <= #ARGV do
    local five = 5 * take() + 1
    local lane = take()
    local key = take()
    local request = take()
    local count = 2 * take()
    local first, last = at, at + count - 1
    at = at + count
    local stream = KEYS[five + 1]
    if lane == 'journal' then
        redis.pcall('XADD', KEYS[five + 2], '*', unpack(ARGV, first, last))
    elseif lane == 'bulk' then
        local waiting = is_bulk_waiting(five)
        local id = redis.pcall('XADD', stream, '*', 'bulk', key,
                               unpack(ARGV, first, last))
        if type(id) == 'string' then
            if not waiting then
                redis.call('HSET', KEYS[five + 3], 'since', id)
                waits[five] = true
            end
            bulk[five] = bulk[five] or {}
            bulk[five][key] = (bulk[five][key] or 0) + 1
        end
        ids[#ids + 1] = id
    elseif is_bulk_waiting(five) then
        local id = redis.pcall('XADD', stream, '*', 'live', key,
                               unpack(ARGV, first, last))
        if type(id) == 'string' then
            redis.call('XADD', KEYS[five + 4], id, lane, key, 'request', request)
        end
        ids[#ids + 1] = id
    else
        -- An error is the reply to this entry alone.
        ids[#ids + 1] = redis.pcall('XADD', stream, '*', unpack(ARGV, first, last))
    end
end
-- Counted together: a command for each costs as much as the entry.
for five, counts in pairs(bulk) do
    local keys = {}
    for key in pairs(counts) do
        keys[#keys + 1] = key
    end
    for first = 1, #keys, 1000 do
        local last = math.min(first + 999, #keys)
        local known = redis.call('HMGET', KEYS[five + 3], unpack(keys, first, last))
        local fresh = {}
        for place = first, last do
            local key = keys[place]
            fresh[#fresh + 1] = key
            fresh[#fresh + 1] = counts[key] + (tonumber(known[place - first + 1]) or 0)
        end
        redis.call('HSET', KEYS[five + 3], unpack(fresh))
    end
end
local bells, waiting = {}, 0
for five = 1, fives do
    bells[five] = redis.call('EXISTS', KEYS[5 * five + 1])
end
for number = 2, #KEYS do
    if number > 5 * fives + 1 or number % 5 == 2 then
        -- What is no stream is for those to see who read it.
        local length = redis.pcall('XLEN', KEYS[number])
        waiting = waiting + (tonumber(length) or 0)
    end
end
return {ids, redis.call('EXISTS', KEYS[1]), bells, waiting}
