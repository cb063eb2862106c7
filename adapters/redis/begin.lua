-- Lease a job and charge every log of its number, or do neither.
-- KEYS: the job's record, the epoch, the number's mark of restoration, its opt-outs, what it wrote that is not settled,
-- then one log per charge.
-- ARGV: job, token, visibility in ms, the epoch as the asker knows it, 1 if the number must have been restored in it, the
-- latest time in microseconds that can be right, the id of an unknown receipt despite which the job shall be granted,
-- once, or nothing, the account whose promotion it is, or nothing, then the windows of each log.
local job, token = ARGV[1], ARGV[2]
if redis.call('GET', KEYS[2]) ~= ARGV[4] then return {'EPOCH'} end
if now > tonumber(ARGV[6]) then return {'LATE'} end
local record = read(KEYS[1])

if record.lease_until and record.lease_until > now then
  local left_ms = (record.lease_until - now) / 1000
  if record.token ~= token then return {'BUSY', math.ceil(left_ms)} end
  -- Asked before, but the answer got lost: the same grant again.
  return {'GRANTED', record.fence, record.attempts, math.floor(left_ms)}
end
local again = record.receipt and record.rank == UNRESOLVED and not record.resent
  and cjson.decode(record.receipt).id == ARGV[7]
if record.receipt and not again then return {'DONE', record.receipt} end
if record.token == token then
  -- An echo of a request whose grant was given back since: nobody waits for this answer.
  if not record.lease_until then return {'BUSY', 0} end
  -- The answer got lost and the lease ran out meanwhile: surely nothing was submitted, so begin afresh.
  record.lease_until = nil
  write(KEYS[1], record)
  for i = 6, #KEYS do redis.call('ZREM', KEYS[i], job) end
elseif record.lease_until then
  return {'ABANDONED', record.attempts}
end

if ARGV[5] == '1' and redis.call('GET', KEYS[3]) ~= ARGV[4] then return {'COLD'} end

if ARGV[8] ~= '' then
  if redis.call('EXISTS', KEYS[5]) == 1 then return {'BUSY', HELD_MS} end
  if opted_out(KEYS[4], ARGV[8]) then return {'OPTED_OUT'} end
end

local at, refused, retry_at = {}, 0, 0
for i = 6, #KEYS do
  local free_at
  at[i], free_at = fit(KEYS[i], job, ARGV[i + 3])
  if free_at > retry_at then refused, retry_at = i - 5, free_at end
end
if refused > 0 then return {'LIMITED', refused, retry_at} end

for i = 6, #KEYS do charge(KEYS[i], job, ARGV[i + 3], at[i]) end
record.token, record.fence, record.lease_until = token, record.fence + 1, now + ARGV[3] * 1000
record.resent = record.resent or again
write(KEYS[1], record)
return {'GRANTED', record.fence, record.attempts, tonumber(ARGV[3])}
