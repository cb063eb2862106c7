-- A job's record: fence, attempts, lease_until (only while leased), token (of the last grant), and of the receipt that
-- stands: rank, taken (a carrier took the message, or may have), doubt (its id, where evidence of the outcome is awaited)
-- and receipt, packed. `resent`: once granted despite an unknown outcome.
-- It is one string of fixed fields: a hash takes half as much memory again, and a packed table twice the time.
local FIELDS = '>BI4I4I7BBBBc0Bc0'
local FORMAT = 1
local FINAL = 3 -- the lowest rank that is final
local FINAL_LIFE_MS = 24 * 3600 * 1000 -- a repeat of the job comes within a day, or is told from the message store
local UNRESOLVED = 1 -- the rank of an unknown outcome that evidence is awaited for
local LIFE_MS = 96 * 3600 * 1000 -- a delivery receipt may come 72 h late
local UNRESOLVED_LIFE_MS = 32 * 24 * 3600 * 1000 -- beyond the longest grace time of an unknown outcome

local function read(key)
  local packed = redis.call('GET', key)
  if not packed then return {fence = 0, attempts = 0} end
  if string.byte(packed) ~= FORMAT then -- a table, as it was until November 2026
    local record = cmsgpack.unpack(packed)
    record.doubt = record.rank == UNRESOLVED and cjson.decode(record.receipt).id or nil
    return record
  end
  local _, fence, attempts, lease_until, rank, taken, resent, token, doubt, rest = struct.unpack(FIELDS, packed)
  return {
    fence = fence,
    attempts = attempts,
    lease_until = lease_until > 0 and lease_until or nil,
    rank = rank > 0 and rank or nil,
    taken = taken == 1,
    resent = resent == 1,
    token = token ~= '' and token or nil,
    doubt = doubt ~= '' and doubt or nil,
    receipt = rank > 0 and string.sub(packed, rest) or nil,
  }
end

local function write(key, record)
  local token, doubt, rank = record.token or '', record.doubt or '', record.rank or 0
  local packed = struct.pack(
    FIELDS, FORMAT, record.fence, record.attempts, record.lease_until or 0, rank, record.taken and 1 or 0,
    record.resent and 1 or 0, #token, token, #doubt, doubt
  ) .. (record.receipt or '')
  local life_ms = rank >= FINAL and FINAL_LIFE_MS or rank == UNRESOLVED and UNRESOLVED_LIFE_MS or LIFE_MS
  redis.call('SET', key, packed, 'PX', life_ms)
end
