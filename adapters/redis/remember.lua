-- Link a carrier's message id to a job; answers the delivery receipts that came before, oldest first.
-- They stay parked: a worker that dies before it has dealt with them finds them again.
-- KEYS: the link, the parked.  ARGV: recipient and job, life in ms.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('LRANGE', KEYS[2], 0, -1)
