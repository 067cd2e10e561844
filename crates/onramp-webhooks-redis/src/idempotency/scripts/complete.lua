-- Ends a claim and stores its reply. Returns 1, or 0 if the claim was lost.
local token, expires_at, margin, longest, reply, is_repeated = unpack(ARGV)
local held = redis.call('HMGET', KEYS[1], 'token', 'reply', 'since')
if held[1] ~= token then
    return 0
end
if held[2] then
    return is_repeated == '1' and held[2] == reply and 1 or 0
end
redis.call('HSET', KEYS[1], 'until', expires_at, 'reply', reply)
local rest = math.max(expires_at - held[3], 0) + margin
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(rest, longest)))
return 1
