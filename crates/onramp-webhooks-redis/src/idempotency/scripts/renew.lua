-- Renews a claim. Returns 1, or 0 if the claim was lost.
local token, lease_until, margin, longest = unpack(ARGV)
local held = redis.call('HMGET', KEYS[1], 'token', 'reply', 'since')
if held[1] ~= token or held[2] then
    return 0
end
redis.call('HSET', KEYS[1], 'until', lease_until)
local rest = math.max(lease_until - held[3], 0) + margin
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(rest, longest)))
return 1
