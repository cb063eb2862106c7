-- End a lease of a job that no carrier took and give back its charges; answers 1 if it was still the holder's to end.
-- KEYS: the job's record, its number's logs.  ARGV: token, attempts, the job as 16 bytes.
local record = read(KEYS[1])
if record.token ~= ARGV[1] or record.receipt then return 0 end
if record.lease_until then
  record.lease_until, record.attempts = nil, tonumber(ARGV[2])
  write(KEYS[1], record)
  refund(KEYS[2], ARGV[3])
end
return 1
