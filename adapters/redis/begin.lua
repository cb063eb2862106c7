-- Lease a job and charge every log of its number, or do neither.
-- KEYS: the job's record, then one log per charge.
-- ARGV: job, token, visibility in ms, the record's life in ms, then the windows of each log.
local record, job, token = KEYS[1], ARGV[1], ARGV[2]
local holder, fence, lease_until, attempts, receipt =
  unpack(redis.call('HMGET', record, 'token', 'fence', 'lease_until', 'attempts', 'receipt'))
fence, lease_until, attempts = tonumber(fence or 0), lease_until and tonumber(lease_until), tonumber(attempts or 0)

if lease_until and lease_until > now then
  if holder ~= token then return {'BUSY', math.ceil((lease_until - now) / 1000)} end
  -- Asked before, but the answer got lost: the same grant again.
  return {'GRANTED', fence, attempts, math.floor((lease_until - now) / 1000)}
end
if receipt then return {'DONE', receipt} end
if holder == token then
  -- An echo of a request whose grant was given back since: nobody waits for this answer.
  if not lease_until then return {'BUSY', 0} end
  -- The answer got lost and the lease ran out meanwhile: surely nothing was submitted, so begin afresh.
  for i = 2, #KEYS do redis.call('ZREM', KEYS[i], job) end
  redis.call('HDEL', record, 'lease_until')
elseif lease_until then
  return {'ABANDONED', attempts}
end

local at, refused, retry_at = {}, 0, 0
for i = 2, #KEYS do
  at[i] = held(KEYS[i])
  local free = free_at(KEYS[i], job, ARGV[i + 3], at[i])
  if free > retry_at then refused, retry_at = i - 1, free end
end
if refused > 0 then return {'LIMITED', refused, retry_at} end

for i = 2, #KEYS do charge(KEYS[i], job, ARGV[i + 3], at[i]) end
redis.call('HSET', record, 'token', token, 'fence', fence + 1, 'attempts', attempts,
  'lease_until', string.format('%.0f', now + ARGV[3] * 1000))
redis.call('PEXPIRE', record, ARGV[4])
return {'GRANTED', fence + 1, attempts, tonumber(ARGV[3])}
