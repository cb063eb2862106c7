-- File a link before the others of its bucket; answers the delivery receipts parked there, oldest first.
-- They stay parked: a worker that dies before it has dealt with them finds them again.
-- KEYS: the links, the parked.  ARGV: the link, how many are kept, life in ms.
local links = redis.call('GET', KEYS[1])
local lines = {ARGV[1]}
if links and links ~= ARGV[1] then
  for other in string.gmatch(links, '[^\n]+') do
    if other ~= ARGV[1] and #lines < tonumber(ARGV[2]) then lines[#lines + 1] = other end
  end
end
redis.call('SET', KEYS[1], table.concat(lines, '\n'), 'PX', ARGV[3])
return redis.call('LRANGE', KEYS[2], 0, -1)
