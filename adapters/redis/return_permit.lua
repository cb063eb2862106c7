-- Let others probe a channel.  KEYS: permit.  ARGV: worker.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
