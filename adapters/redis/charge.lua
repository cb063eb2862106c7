-- Charge a job to one count that belongs to no single number; answers 0, or when it would fit. It is a sorted set of the
-- accepted jobs, scored with their times in microseconds: there may be many of them.
-- A clock that stepped back is held at the newest entry, so that no span ever gets more than its limit; an entry of the
-- job's own does not count against it.
-- KEYS: the log.  ARGV: job, windows, LIMIT/SECONDS with blanks between.
local log, job, windows = KEYS[1], ARGV[1], ARGV[2]
local newest = redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES')[2]
local at, free_at, longest = math.max(clock(), newest or 0), 0, 0
local own = redis.call('ZREVRANK', log, job)
for limit, seconds in string.gmatch(windows, '(%d+)/(%d+)') do
  local nth = limit - 1
  if own and own <= nth then nth = nth + 1 end
  local entry = redis.call('ZREVRANGE', log, nth, nth, 'WITHSCORES')[2]
  if entry and entry + seconds * 1000000 > at then free_at = math.max(free_at, entry + seconds * 1000000) end
  longest = math.max(longest, seconds)
end
if free_at > 0 then return free_at end

redis.call('ZREMRANGEBYSCORE', log, '-inf', string.format('%.0f', at - longest * 1000000))
redis.call('ZADD', log, string.format('%.0f', at), job)
redis.call('PEXPIRE', log, longest * 1000 + 1000)
return 0
