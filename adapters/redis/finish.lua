-- End a lease with what became of the job; answers the receipt that stands, or nothing if the job is another's by now.
-- KEYS: the job's record, then its logs.
-- ARGV: job, token, then the receipt as `merge` takes it, then the windows of each log.
local record = read(KEYS[1])
if record.token and record.token ~= ARGV[2] then return false end
local lost = not record.token -- Redis forgot the grant, and learns it again from the result
record.lease_until = nil
merge(record, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
write(KEYS[1], record)
if ARGV[4] == '0' and not record.taken then
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
elseif lost and record.taken then
  for i = 2, #KEYS do charge(KEYS[i], ARGV[1], ARGV[i + 5], (fit(KEYS[i], ARGV[1], ARGV[i + 5]))) end
end
return record.receipt
