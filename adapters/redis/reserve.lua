-- Reserve the next free turn of a channel; answers the microseconds until it comes, or -1 if that is too long.
-- KEYS: when the channel is next free.  ARGV: how long the turn takes and how long may be waited, in microseconds.
local turn = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
if turn - now > tonumber(ARGV[2]) then return -1 end
local free = turn + ARGV[1]
-- Kept a second longer than it matters, so that the script alone decides by TIME whether the turn is over.
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000) + 1000)
return turn - now
