-- Let the buckets of a window hold at least what the message store knows of them; several workers may do so.
-- KEYS: the buckets.  ARGV: seconds of the window, then bucket and count of each.
for i = 2, #ARGV, 2 do
  local known = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  if known < tonumber(ARGV[i + 1]) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 1010 + 1000)
