-- The weight budget of one egress address: one hash, changed by one script, so that every process and host agrees.
--
-- KEYS[1]  the hash: minute (its number since 1970), used (in it), before (in the minute before it), ahead (already
--          counted for the minute after it), limit, paused_until, banned_until (ms)
-- ARGV[1]  what to do; ARGV[2] now in ms, 0 for the server's own clock; ARGV[3] the limit as long as none was set
-- Returns  {granted or kept (1, 0), wait in ms, used, limit, start of the minute, paused until, banned until, now}

local MINUTE = 60000
-- The exchange's clock is not quite this one, and a request is under way for a while: what is sent so close (ms) to the
-- turn of a minute counts for both minutes.
local TURN = 300

local now = tonumber(ARGV[2])
if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local stored = redis.call('HMGET', KEYS[1], 'minute', 'used', 'before', 'ahead', 'limit', 'paused_until', 'banned_until')
local minute = math.floor(now / MINUTE)
local known = tonumber(stored[1]) or 0
local used = tonumber(stored[2]) or 0
local before = tonumber(stored[3]) or 0
local ahead = tonumber(stored[4]) or 0
local limit = tonumber(stored[5]) or tonumber(ARGV[3])
local paused = tonumber(stored[6]) or 0
local banned = tonumber(stored[7]) or 0

-- A clock that was set back (known > minute) gives nobody a second budget.
if known == minute - 1 then
    before, used, ahead = used, ahead, 0
elseif known < minute - 1 then
    before, used, ahead = 0, 0, 0
end

local passed = now % MINUTE
local early, late = passed < TURN, passed >= MINUTE - TURN
local done, wait = 0, 0

local function keep(...)
    redis.call('HSET', KEYS[1], 'minute', minute, 'used', used, 'before', before, 'ahead', ahead, ...)
end

-- ARGV[4] weight, ARGV[5] thousandths of the limit that this priority may use, ARGV[6] weight it must leave
local function acquire()
    local weight = tonumber(ARGV[4])
    local ceiling = math.min(math.floor(limit * tonumber(ARGV[5]) / 1000), limit - tonumber(ARGV[6]))
    -- What is heavier than its ceiling is not refused for ever: it goes first in a minute.
    local function fits(count)
        return count == 0 or count + weight <= ceiling
    end
    local free = math.max(paused, banned)
    if free > now then
        wait = free - now
    elseif not fits(used) or (late and not fits(ahead)) then
        wait = MINUTE - passed + TURN
    elseif early and not fits(before) then
        wait = TURN - passed
    else
        done = 1
        used = used + weight
        if early then before = before + weight end
        if late then ahead = ahead + weight end
        keep()
    end
end

-- ARGV[4] what the exchange says is used, ARGV[5] how long ago (ms) it was asked
local function observe()
    local counted = math.floor((now - tonumber(ARGV[5]) - TURN) / MINUTE)
    -- The answer to a request of the minute before may speak of that minute.
    if counted == minute and tonumber(ARGV[4]) > used then
        done = 1
        used = tonumber(ARGV[4])
        keep()
    end
end

if ARGV[1] == 'acquire' then
    acquire()
elseif ARGV[1] == 'observe' then
    observe()
elseif ARGV[1] == 'pause' then
    paused = math.max(paused, now + tonumber(ARGV[4]))
    keep('paused_until', paused)
elseif ARGV[1] == 'ban' then
    banned = math.max(banned, tonumber(ARGV[4]))
    keep('banned_until', banned)
elseif ARGV[1] == 'limit' then
    limit = tonumber(ARGV[4])
    keep('limit', limit)
end

return {done, wait, used, limit, minute * MINUTE, paused, banned, now}
