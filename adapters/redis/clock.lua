-- Microseconds since 1970 by Redis's own clock, the one clock all workers share.
-- Below 2^53, and so exact in a Lua number, until the year 2255.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
