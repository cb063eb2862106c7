-- Lease a job and charge every log of its number that it counts to, or do neither.
-- KEYS: the job's record, the epoch, the number's logs; and where the number must have been restored, or may have opted
-- out, its mark of restoration, its opt-outs, what it wrote that is not settled.
-- ARGV: token, visibility in ms, the epoch as the asker knows it, the latest time in microseconds that can be right, the
-- job as 16 bytes, the logs as `logs` takes them, the id of an unknown receipt despite which the job shall be granted,
-- once, or nothing, the account whose promotion it is, or nothing, 1 if the number must have been restored in the epoch.
local token, job, now = ARGV[1], ARGV[5], clock()
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return {'EPOCH'} end
if now > tonumber(ARGV[4]) then return {'LATE'} end
local record = read(KEYS[1])

if record.lease_until and record.lease_until > now then
  local left_ms = (record.lease_until - now) / 1000
  if record.token ~= token then return {'BUSY', math.ceil(left_ms)} end
  -- Asked before, but the answer got lost: the same grant again.
  return {'GRANTED', record.fence, record.attempts, math.floor(left_ms)}
end
local again = record.doubt and not record.resent and record.doubt == ARGV[7]
if record.receipt and not again then return {'DONE', record.receipt} end
if record.token == token then
  -- An echo of a request whose grant was given back since: nobody waits for this answer.
  if not record.lease_until then return {'BUSY', 0} end
  -- The answer got lost and the lease ran out meanwhile: surely nothing was submitted, so begin afresh.
  record.lease_until = nil
  write(KEYS[1], record)
  refund(KEYS[3], job)
elseif record.lease_until then
  return {'ABANDONED', record.attempts}
end

if ARGV[9] == '1' and redis.call('GET', KEYS[4]) ~= ARGV[3] then return {'COLD'} end

if ARGV[8] ~= '' then
  if redis.call('EXISTS', KEYS[6]) == 1 then return {'BUSY', HELD_MS} end
  if opted_out(KEYS[5], ARGV[8]) then return {'OPTED_OUT'} end
end

if ARGV[6] ~= '' then
  local logs = read_logs(KEYS[3])
  local refused, retry_at = charge(logs, job, ARGV[6], now)
  if refused > 0 then return {'LIMITED', refused, retry_at} end
  write_logs(KEYS[3], logs, now)
end
record.token, record.fence, record.lease_until = token, record.fence + 1, now + ARGV[2] * 1000
record.resent = record.resent or again
write(KEYS[1], record)
return {'GRANTED', record.fence, record.attempts, tonumber(ARGV[2])}
