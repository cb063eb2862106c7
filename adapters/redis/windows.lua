-- engine/limits.retry_at over a log: a sorted set of the accepted jobs, scored with their times in microseconds.
-- Windows come as text, LIMIT/SECONDS with blanks between.

-- The time at which the job would be charged, and when it would fit, which is 0 if it fits at that time.
-- A clock that stepped back is held at the log's newest entry, so that no span ever gets more than its limit; an
-- entry of the job's own does not count against it.
local function fit(log, job, windows)
  local newest = redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES')[2]
  if not newest then return now, 0 end
  local at, free_at = math.max(now, newest), 0
  local own = redis.call('ZREVRANK', log, job)
  for limit, seconds in string.gmatch(windows, '(%d+)/(%d+)') do
    local nth = limit - 1
    if own and own <= nth then nth = nth + 1 end
    local entry = redis.call('ZREVRANGE', log, nth, nth, 'WITHSCORES')[2]
    if entry and entry + seconds * 1000000 > at then free_at = math.max(free_at, entry + seconds * 1000000) end
  end
  return at, free_at
end

-- Log the job at `at`; forget what has left the longest window.
local function charge(log, job, windows, at)
  local longest = 0
  for seconds in string.gmatch(windows, '/(%d+)') do longest = math.max(longest, seconds) end
  redis.call('ZREMRANGEBYSCORE', log, '-inf', string.format('%.0f', at - longest * 1000000))
  redis.call('ZADD', log, string.format('%.0f', at), job)
  redis.call('PEXPIRE', log, longest * 1000 + 1000)
end
