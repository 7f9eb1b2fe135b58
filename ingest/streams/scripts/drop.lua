-- Drops entries of KEYS[1], the bulk keys and the live index being KEYS[2] and KEYS[3]. Of
-- each entry ARGV has its id, its lane, and its key.
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
