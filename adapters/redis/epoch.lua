-- The name of Redis's memory: a new one where the old was wiped, or may have lost its last writes, as at each start of a
-- server and each failover. It goes `NAME RUN MICROSECONDS`: the server's own run, and since when it is called so.
-- KEYS: the epoch.  ARGV: a new name.  Answers the name and Redis's time in microseconds.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local known = redis.call('GET', KEYS[1])
if known and string.find(known, ' ' .. run .. ' ', 1, true) then return {known, now} end
local epoch = ARGV[1] .. ' ' .. run .. ' ' .. now
redis.call('SET', KEYS[1], epoch)
return {epoch, now}
