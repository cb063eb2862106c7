-- Note the final state of a part, of which the first stands; answers those of all parts that have one.
-- KEYS: the tally of a job.  ARGV: the part, its state, life in ms.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HVALS', KEYS[1])
