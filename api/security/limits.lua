-- One more request of somebody in a window of a minute, which begins with the first.
-- KEYS[1] the count. Returns {requests in this window, ms until it ends}.
local count = redis.call('INCR', KEYS[1])
if count == 1 then
    redis.call('PEXPIRE', KEYS[1], 60000)
end
return {count, redis.call('PTTL', KEYS[1])}
