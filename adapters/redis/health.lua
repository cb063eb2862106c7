-- Tell what a worker saw and decided, and hear all others. A decision stands if it was made upon the one that stands.
-- KEYS: reports, decisions.  ARGV: worker, its report ('' to only listen), its seconds to live, number of decisions, then
-- name, version and text of each.
local reports, decisions = KEYS[1], KEYS[2]
local now = clock()
local oldest = now - ARGV[3] * 1000000
if ARGV[2] ~= '' then
  redis.call('HSET', reports, ARGV[1], string.format('%.0f %s', now, ARGV[2]))
  redis.call('EXPIRE', reports, ARGV[3])
end
for i = 5, 4 + 3 * ARGV[4], 3 do
  local stands = redis.call('HGET', decisions, ARGV[i]) or '0'
  if tonumber(string.match(stands, '^%d+')) == ARGV[i + 1] - 1 then
    redis.call('HSET', decisions, ARGV[i], string.format('%s %.0f %s', ARGV[i + 1], now, ARGV[i + 2]))
  end
end
redis.call('EXPIRE', decisions, ARGV[3])
local told, stand = {}, {}
local all = redis.call('HGETALL', reports)
for i = 1, #all, 2 do
  local at, text = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(at) < oldest then
    redis.call('HDEL', reports, all[i])
  elseif all[i] ~= ARGV[1] then
    table.insert(told, {string.format('%.0f', math.max(0, now - at)), text})
  end
end
all = redis.call('HGETALL', decisions)
for i = 1, #all, 2 do
  local version, at, text = string.match(all[i + 1], '^(%d+) (%d+) (.*)$')
  table.insert(stand, {all[i], version, string.format('%.0f', math.max(0, now - at)), text})
end
return {told, stand}
