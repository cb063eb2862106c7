-- End a lease with what became of the job; answers the receipt that stands, or nothing if the job is another's by now.
-- KEYS: the job's record, then its logs.  ARGV: job, token, rank, taken ('1' or '0'), receipt, the record's life in ms.
local record = KEYS[1]
local holder = redis.call('HGET', record, 'token')
-- No holder: Redis lost the record, and gets it back from the result.
if holder and holder ~= ARGV[2] then return false end
redis.call('HDEL', record, 'lease_until')
local standing, taken = merge(record, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
if ARGV[4] == '0' and taken == '0' then
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
end
return standing
