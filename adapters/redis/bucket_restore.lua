-- Let a bucket hold at least as many as the message store knows of; several workers may do so. Of what Redis did not
-- forget, jobs that were charged just before a bucket ended and taken just after it count in both: on the safe side.
-- KEYS: the buckets of a window.  ARGV: seconds of the window, the bucket, how many.
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or 0)
if known < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 1010 + 1000)
