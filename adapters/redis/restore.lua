-- Log what the message store knows of a number's charges and Redis forgot; an entry that is there already stands.
-- KEYS: the log.  ARGV: seconds of the longest window, then time in microseconds and job of each charge.
for i = 2, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'NX', ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 1000 + 1000)
