-- Give a job's charge back to the bucket it was counted in, as its marker says; no marker, nothing to give back.
-- KEYS: the buckets of a window, the job's marker.
local counted_in = redis.call('GETDEL', KEYS[2])
if counted_in and redis.call('HEXISTS', KEYS[1], counted_in) == 1 then
  redis.call('HINCRBY', KEYS[1], counted_in, -1)
end
