-- A job's record: token (of the last grant), fence, lease_until (only while leased), attempts, and of the receipt that
-- stands: rank, taken (a carrier took the message, or may have), final, receipt (as JSON). `resent`: once granted despite
-- an unknown outcome.
-- It is one packed value, for a hash takes half as much memory again.
local FINAL_LIFE_MS = 24 * 3600 * 1000 -- a repeat of the job comes within a day, or is told from the message store
local UNRESOLVED = 1 -- the rank of an unknown outcome that evidence is awaited for
local LIFE_MS = 96 * 3600 * 1000 -- a delivery receipt may come 72 h late
local UNRESOLVED_LIFE_MS = 32 * 24 * 3600 * 1000 -- beyond the longest grace time of an unknown outcome

local function read(key)
  local packed = redis.call('GET', key)
  return packed and cmsgpack.unpack(packed) or {fence = 0, attempts = 0}
end

local function write(key, record)
  local life_ms = record.final and FINAL_LIFE_MS or record.rank == UNRESOLVED and UNRESOLVED_LIFE_MS or LIFE_MS
  redis.call('SET', key, cmsgpack.pack(record), 'PX', life_ms)
end
