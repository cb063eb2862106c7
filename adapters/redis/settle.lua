-- Take over what is known of a number's opt-outs; of each account the latest word stands.
-- KEYS: the number's opt-outs, what it wrote that is not settled.
-- ARGV: the message that is settled with this, or nothing, then account and time of each word as in the hash.
for i = 2, #ARGV, 2 do
  local known = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  if math.abs(tonumber(ARGV[i + 1])) > math.abs(known) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
if ARGV[1] ~= '' then redis.call('SREM', KEYS[2], ARGV[1]) end
