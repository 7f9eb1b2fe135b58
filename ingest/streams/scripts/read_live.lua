-- Returns the first entries of KEYS[1] that may overtake, ARGV[1] at most, and no more
-- bytes than ARGV[2]: only the first may be longer. KEYS[2] are the bulk keys, KEYS[3] is
-- the live index.
local since = redis.call('HGET', KEYS[2], 'since')
local entries, bytes, blocked, left = {}, 0, {}, {}
if not since or #redis.call('XRANGE', KEYS[1], '-', '(' .. since, 'COUNT', 1) > 0 then
    return entries
end
for _, one in ipairs(redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1000)) do
    local id, lane, key, request = one[1], one[2][1], one[2][2], one[2][4]
    if blocked[key] or left[request] or lane == 'tied'
            or redis.call('HEXISTS', KEYS[2], key) == 1 then
        blocked[key] = true
        left[request] = request ~= ''
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
