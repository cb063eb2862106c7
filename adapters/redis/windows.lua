-- engine/limits.retry_at over a log: a sorted set of the accepted jobs, scored with their times in microseconds.
-- Windows come as text, LIMIT/SECONDS with blanks between.

-- A clock that stepped back is held at the log's newest entry, so that no span ever gets more than its limit.
local function held(log)
  local newest = redis.call('ZREVRANGE', log, 0, 0, 'WITHSCORES')[2]
  return math.max(now, tonumber(newest or 0))
end

-- When the job fits every window of the log, or 0 if it fits at `at`; an entry of its own does not count.
local function free_at(log, job, windows, at)
  local own = redis.call('ZREVRANK', log, job)
  local latest = 0
  for limit, seconds in string.gmatch(windows, '(%d+)/(%d+)') do
    local nth = limit - 1
    if own and own <= nth then nth = nth + 1 end
    local entry = redis.call('ZREVRANGE', log, nth, nth, 'WITHSCORES')[2]
    if entry then
      local free = entry + seconds * 1000000
      if free > at then latest = math.max(latest, free) end
    end
  end
  return latest
end

-- Log the job at `at`; forget what has left the longest window.
local function charge(log, job, windows, at)
  local longest = 0
  for seconds in string.gmatch(windows, '/(%d+)') do longest = math.max(longest, seconds) end
  redis.call('ZREMRANGEBYSCORE', log, '-inf', string.format('%.0f', at - longest * 1000000))
  redis.call('ZADD', log, string.format('%.0f', at), job)
  redis.call('PEXPIRE', log, longest * 1000 + 1000)
end
