-- End a lease with what became of the job; answers the receipt that stands, or nothing if the job is another's by now.
-- KEYS: the job's record, then its logs.  ARGV: job, token, then the receipt as `merge` takes it.
local record = read(KEYS[1])
-- No token: Redis lost the record, and gets it back from the result.
if record.token and record.token ~= ARGV[2] then return false end
record.lease_until = nil
merge(record, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
write(KEYS[1], record)
if ARGV[4] == '0' and not record.taken then
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
end
return record.receipt
