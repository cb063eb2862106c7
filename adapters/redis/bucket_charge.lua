-- Charge a job to a window with a large limit: a count per hundredth of the window instead of a log.
-- A bucket counts whole until its last microsecond has left the window, so none is admitted that a log would refuse.
-- A job that asks again was charged before and its answer got lost: `bucket_refund`, run just before, gave that back.
-- KEYS: the buckets, the job's marker.  ARGV: limit, seconds of the window.  Answers 0, or when the job would fit.
local MARKER_LIFE_S = 300 -- longer than any lease: after it a job's charge cannot be given back
local limit, span = tonumber(ARGV[1]), ARGV[2] * 1000000
local width = span / 100
local now = clock()
local at = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'newest') or 0))

local counted, total = {}, 0
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local bucket, count = tonumber(fields[i]), tonumber(fields[i + 1])
  if bucket then -- not the field 'newest'
    local free_at = (bucket + 1) * width - 1 + span
    if free_at > at then
      counted[#counted + 1] = {free_at = free_at, count = count}
      total = total + count
    else
      redis.call('HDEL', KEYS[1], fields[i])
    end
  end
end

if total >= limit then
  table.sort(counted, function(a, b) return a.free_at < b.free_at end)
  for _, bucket in ipairs(counted) do
    total = total - bucket.count
    if total < limit then return bucket.free_at end
  end
end

local bucket = string.format('%.0f', math.floor(at / width))
redis.call('HINCRBY', KEYS[1], bucket, 1)
redis.call('HSET', KEYS[1], 'newest', string.format('%.0f', at))
redis.call('PEXPIRE', KEYS[1], (span + width) / 1000 + 1000)
redis.call('SET', KEYS[2], bucket, 'EX', MARKER_LIFE_S)
return 0
