-- End a lease of a job that no carrier took and give back its charges; answers 1 if it was still the holder's to end.
-- KEYS: the job's record, then its logs.  ARGV: job, token, attempts.
local record = read(KEYS[1])
if record.token ~= ARGV[2] or record.receipt then return 0 end
if record.lease_until then
  record.lease_until, record.attempts = nil, tonumber(ARGV[3])
  write(KEYS[1], record)
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
end
return 1
