-- Drops entries of KEYS[1], the bulk keys and the live index being KEYS[2] and KEYS[3]. Of
-- each entry ARGV has its id, its lane, and its key.
local counts, keys = {}, {}
for at = 1, #ARGV, 3 do
    local id, lane, key = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local dropped = redis.call('XDEL', KEYS[1], id)
    if lane == 'live' then
        redis.call('XDEL', KEYS[3], id)
    elseif lane == 'bulk' and dropped == 1 then
        if not counts[key] then
            keys[#keys + 1] = key
        end
        counts[key] = (counts[key] or 0) + 1
    end
end
-- Counted together: a command for each costs as much as the entry.
for first = 1, #keys, 1000 do
    local last = math.min(first + 999, #keys)
    local known = redis.call('HMGET', KEYS[2], unpack(keys, first, last))
    local gone = {}
    for place = first, last do
        local key = keys[place]
        local left = (tonumber(known[place - first + 1]) or 0) - counts[key]
        if left > 0 then
            -- A full Redis refuses this: imports of this key overtake nothing then,
            -- until the stream is empty.
            redis.pcall('HINCRBY', KEYS[2], key, -counts[key])
        else
            gone[#gone + 1] = key
        end
    end
    if #gone > 0 then
        redis.call('HDEL', KEYS[2], unpack(gone))
    end
end
if redis.call('HLEN', KEYS[2]) == 1 then
    redis.call('DEL', KEYS[2])
end
return redis.status_reply('OK')
