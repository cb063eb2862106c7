-- engine/receipts.merge: a receipt, told as rank, taken, final ('1' or '0') and JSON, replaces only one of a lower rank.
local function merge(record, rank, taken, final, receipt)
  if record.rank and record.rank >= tonumber(rank) then return end
  record.rank, record.taken, record.final, record.receipt = tonumber(rank), taken == '1', final == '1', receipt
end
