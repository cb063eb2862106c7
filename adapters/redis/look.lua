-- The links of a bucket, newest first; where they are those that were known, none of them is the one that is looked
-- for, and its delivery receipt is parked.
-- KEYS: the links, the parked.  ARGV: the known links, delivery receipt, how many are kept, life in ms.
local links = redis.call('GET', KEYS[1]) or ''
if links == ARGV[1] then
  redis.call('LREM', KEYS[2], 0, ARGV[2]) -- a repeat must not push out others
  redis.call('RPUSH', KEYS[2], ARGV[2])
  redis.call('LTRIM', KEYS[2], -ARGV[3], -1)
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return links
