-- A turn on a channel: `engine.turns.ask`, in microseconds. Answers {1, wait}: it is reserved; {0, wait}: ask again
-- then; or nothing: neither is possible in time.
-- KEYS: the channel's turns, a hash: when it is free, and per category until when those who wait will ask again.
-- ARGV: the category; how long the message takes, and what of that the burst spares it; how far ahead it may reserve;
-- how long it can wait; whether its time to ask again has come.
local held = redis.call('HMGET', KEYS[1], 'free', ARGV[1])
local takes, spared, ahead, within = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local free = math.max(now, tonumber(held[1] or 0))
local asked = tonumber(held[2] or 0)
local turn = math.max(now, free - spared)

local function keep(field, at)
  redis.call('HSET', KEYS[1], field, string.format('%.0f', at))
  local last = at
  for _, each in ipairs(redis.call('HVALS', KEYS[1])) do last = math.max(last, tonumber(each)) end
  -- Kept a second longer than it matters, so that the script alone decides by TIME whether a turn is over.
  redis.call('PEXPIRE', KEYS[1], math.ceil((last - now) / 1000) + 1000)
end

if turn - now <= math.min(ahead, within) and (ARGV[6] == '1' or asked <= now) then
  keep('free', free + takes)
  return {1, turn - now}
end
local ask = math.max(asked, turn - ahead / 2)
if ahead >= within or ask + ahead - now > within then return false end
keep(ARGV[1], ask + takes)
return {0, ask - now}
