-- Merge later evidence; answers the receipt that stands as `standing` does, or nothing while a worker holds the job.
-- KEYS: the job's record.  ARGV: the receipt as `merge` takes it.
local record = read(KEYS[1])
if record.lease_until and record.lease_until > clock() then return false end
record.lease_until = nil
merge(record, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
write(KEYS[1], record)
return standing(record, ARGV[4])
