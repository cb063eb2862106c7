-- engine/receipts.merge: a receipt replaces the one on record only by a higher rank.
-- Answers the receipt that stands, and '1' if a carrier took the message or may have.
local function merge(record, rank, taken, receipt, life_ms)
  local standing = redis.call('HMGET', record, 'rank', 'taken', 'receipt')
  if standing[1] and tonumber(standing[1]) >= tonumber(rank) then return standing[3], standing[2] end
  redis.call('HSET', record, 'rank', rank, 'taken', taken, 'receipt', receipt)
  redis.call('PEXPIRE', record, life_ms)
  return receipt, taken
end
