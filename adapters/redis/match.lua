-- The recipient and job a carrier's message id stands for; an unknown one's delivery receipt is parked.
-- KEYS: the link, the parked.  ARGV: delivery receipt, how many are kept, life in ms.
local link = redis.call('GET', KEYS[1])
if not link then
  redis.call('LREM', KEYS[2], 0, ARGV[1]) -- a repeat must not push out others
  redis.call('RPUSH', KEYS[2], ARGV[1])
  redis.call('LTRIM', KEYS[2], -ARGV[2], -1)
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return link
