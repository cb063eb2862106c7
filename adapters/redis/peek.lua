-- What is known of a job, changing nothing.  KEYS: the job's record.
-- Answers fence, attempts, milliseconds left of the lease (negative: it ran out; nothing: none), and the receipt.
local record = read(KEYS[1])
local left_ms = record.lease_until and math.floor((record.lease_until - clock()) / 1000) or ''
return {record.fence, record.attempts, left_ms, record.receipt or ''}
