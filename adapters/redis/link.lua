-- File a link before the others of its bucket; answers the delivery receipts parked there, oldest first.
-- They stay parked: a worker that dies before it has dealt with them finds them again.
-- KEYS: the links, the parked.  ARGV: the link, how many are kept, life in ms.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[3]) then
  local lines = {ARGV[1]}
  for other in string.gmatch(redis.call('GET', KEYS[1]), '[^\n]+') do
    if other ~= ARGV[1] and #lines < tonumber(ARGV[2]) then lines[#lines + 1] = other end
  end
  redis.call('SET', KEYS[1], table.concat(lines, '\n'), 'PX', ARGV[3])
end
return redis.call('LRANGE', KEYS[2], 0, -1)
