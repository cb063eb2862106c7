-- Lease a job and charge every log of its number, or do neither.
-- KEYS: the job's record, then one log per charge.  ARGV: job, token, visibility in ms, then the windows of each log.
local job, token = ARGV[1], ARGV[2]
local record = read(KEYS[1])

if record.lease_until and record.lease_until > now then
  local left_ms = (record.lease_until - now) / 1000
  if record.token ~= token then return {'BUSY', math.ceil(left_ms)} end
  -- Asked before, but the answer got lost: the same grant again.
  return {'GRANTED', record.fence, record.attempts, math.floor(left_ms)}
end
if record.receipt then return {'DONE', record.receipt} end
if record.token == token then
  -- An echo of a request whose grant was given back since: nobody waits for this answer.
  if not record.lease_until then return {'BUSY', 0} end
  -- The answer got lost and the lease ran out meanwhile: surely nothing was submitted, so begin afresh.
  record.lease_until = nil
  write(KEYS[1], record)
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], job) end
elseif record.lease_until then
  return {'ABANDONED', record.attempts}
end

local at, refused, retry_at = {}, 0, 0
for i = 2, #KEYS do
  local free_at
  at[i], free_at = fit(KEYS[i], job, ARGV[i + 2])
  if free_at > retry_at then refused, retry_at = i - 1, free_at end
end
if refused > 0 then return {'LIMITED', refused, retry_at} end

for i = 2, #KEYS do charge(KEYS[i], job, ARGV[i + 2], at[i]) end
record.token, record.fence, record.lease_until = token, record.fence + 1, now + ARGV[3] * 1000
write(KEYS[1], record)
return {'GRANTED', record.fence, record.attempts, tonumber(ARGV[3])}
