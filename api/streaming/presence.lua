-- How many connections of an address a web process has, beside what the others said of theirs.
-- KEYS[1] hash: process -> "connections second". ARGV: the process, its connections, how many all processes may have
-- together, after how many seconds the word of a process is forgotten.
-- Returns 1; 0, and nothing is noted, when these would be more.
local own, most, forgotten_after = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(redis.call('TIME')[1])
local others = 0
local said = redis.call('HGETALL', KEYS[1])
for at = 1, #said, 2 do
    if said[at] ~= ARGV[1] then
        local connections, second = string.match(said[at + 1], '^(%d+) (%d+)$')
        if now - tonumber(second) > forgotten_after then
            redis.call('HDEL', KEYS[1], said[at])
        else
            others = others + tonumber(connections)
        end
    end
end
if own > 0 and others + own > most then
    return 0
end
if own == 0 then
    redis.call('HDEL', KEYS[1], ARGV[1])
else
    redis.call('HSET', KEYS[1], ARGV[1], own .. ' ' .. now)
end
redis.call('EXPIRE', KEYS[1], forgotten_after + 1)
return 1
