-- Whether the one probe of a channel is this worker's, for so many milliseconds; only if it knows what stands.
-- KEYS: permit, decisions.  ARGV: worker, milliseconds, name and version of the decision.
local stands = redis.call('HGET', KEYS[2], ARGV[3]) or '0'
if string.match(stands, '^%d+') ~= ARGV[4] then return 0 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
