-- Claims an entry that is new or has expired. Otherwise returns its fingerprint, and its reply if it is completed.
local now, token, fingerprint, lease_until, rest, is_repeated = unpack(ARGV)
local held = redis.call('HMGET', KEYS[1], 'until', 'token', 'fingerprint', 'reply')
if held[1] and tonumber(held[1]) > tonumber(now) then
    if held[4] then
        return { held[3], held[4] }
    end
    if is_repeated == '1' and held[2] == token then
        return {}
    end
    return { held[3] }
end
-- A server with full memory rejects only the first write of a script, so this write has to be the first.
redis.call('HSET', KEYS[1], 'token', token, 'fingerprint', fingerprint, 'until', lease_until, 'since', now)
redis.call('HDEL', KEYS[1], 'reply')
redis.call('PEXPIRE', KEYS[1], rest)
return {}
