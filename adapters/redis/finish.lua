-- End a lease with what became of the job; answers the receipt that stands as `standing` does, or nothing if the job is
-- another's by now.
-- KEYS: the job's record, its number's logs.
-- ARGV: token, then the receipt as `merge` takes it, then the job and its logs as `logs` takes them.
local record = read(KEYS[1])
if record.token and record.token ~= ARGV[1] then return false end
local lost = not record.token -- Redis forgot the grant, and learns it again from the result
record.lease_until = nil
merge(record, ARGV[2], ARGV[3], ARGV[4], ARGV[5])
write(KEYS[1], record)
if ARGV[3] == '0' and not record.taken then
  refund(KEYS[2], ARGV[6])
elseif lost and record.taken then
  local logs, now = read_logs(KEYS[2]), clock()
  charge(logs, ARGV[6], ARGV[7], now, true)
  write_logs(KEYS[2], logs, now)
end
return standing(record, ARGV[5])
