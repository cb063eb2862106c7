-- Forget an unknown outcome, for the message was surely not sent; answers 1 if the job can be begun again.
-- KEYS: the job's record.  ARGV: the id of the unknown receipt, the attempts so far.
local record = read(KEYS[1])
if record.lease_until then return 0 end -- begun since, and perhaps submitted
if not record.receipt then return 1 end -- asked before, but the answer got lost
if record.doubt ~= ARGV[1] then return 0 end
record.rank, record.taken, record.doubt, record.receipt, record.attempts = nil, nil, nil, nil, tonumber(ARGV[2])
write(KEYS[1], record)
return 1
