-- engine/receipts.merge: a receipt, told as rank, taken ('1' or '0'), doubt and text, replaces only one of a lower rank.
local function merge(record, rank, taken, doubt, receipt)
  rank = tonumber(rank)
  if record.rank and record.rank >= rank then return end
  record.rank, record.taken, record.doubt, record.receipt = rank, taken == '1', doubt, receipt
end

-- The receipt that stands: 1 for the one that was told.
local function standing(record, told)
  return record.receipt == told and 1 or record.receipt
end
