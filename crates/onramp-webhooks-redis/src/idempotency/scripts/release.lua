-- Removes a claim. Returns 1, or 0 if the claim was lost.
local held = redis.call('HMGET', KEYS[1], 'token', 'reply')
if held[1] ~= ARGV[1] or held[2] then
    return 0
end
return redis.call('DEL', KEYS[1])
