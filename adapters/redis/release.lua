-- End a lease of a job that no carrier took and give back its charges; answers 1 if it was still the holder's to end.
-- KEYS: the job's record, then its logs.  ARGV: job, token, attempts, the record's life in ms.
local record = KEYS[1]
local holder, lease_until, receipt = unpack(redis.call('HMGET', record, 'token', 'lease_until', 'receipt'))
if holder ~= ARGV[2] or receipt then return 0 end
if lease_until then
  redis.call('HDEL', record, 'lease_until')
  redis.call('HSET', record, 'attempts', ARGV[3])
  redis.call('PEXPIRE', record, ARGV[4])
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
end
return 1
