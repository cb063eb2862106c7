-- Merge later evidence; answers the receipt that stands, or nothing while a worker holds the job.
-- KEYS: the job's record.  ARGV: rank, taken ('1' or '0'), receipt, the record's life in ms.
local lease_until = redis.call('HGET', KEYS[1], 'lease_until')
if lease_until then
  if tonumber(lease_until) > now then return false end
  redis.call('HDEL', KEYS[1], 'lease_until')
end
return (merge(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]))
