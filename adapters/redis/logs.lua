-- engine/limits.retry_at over the logs of a number: when which job was accepted, for each limit that it counts to.
-- All are one string, a third of what a sorted set for each takes. Of each log: its name (8 bytes), the seconds of its
-- longest window (4), the length of the entries (4), and the entries, oldest first: time in microseconds (7), job (16).
-- The logs that a message counts to are told as: name (8), seconds of the longest window (4), length of the windows (2),
-- and the windows: limit (4), seconds (4).
local ENTRY = 23

local function read_logs(key)
  local packed, logs, from = redis.call('GET', key) or '', {}, 1
  while from <= #packed do
    local name, longest, entries
    name, longest, entries, from = struct.unpack('>c8I4I4c0', packed, from)
    logs[name] = {longest = longest, entries = entries}
  end
  return logs
end

-- The time of the n-th entry, counted back from 1, the newest.
local function back(entries, nth)
  return #entries >= nth * ENTRY and struct.unpack('>I7', entries, #entries - nth * ENTRY + 1) or nil
end

local function pack_log(name, longest, entries)
  return struct.pack('>c8I4I4', name, longest, #entries) .. entries
end

-- What is of no use any more is forgotten: a log of which nothing is left in its longest window, nor was a second ago,
-- for the clock may step back a little.
local function write_logs(key, logs, now)
  local parts, life_us = {}, 0
  for name, log in pairs(logs) do
    local newest = back(log.entries, 1)
    local left_us = newest and newest + log.longest * 1000000 + 1000000 - now or 0
    if left_us > 0 then
      parts[#parts + 1] = pack_log(name, log.longest, log.entries)
      life_us = math.max(life_us, left_us)
    end
  end
  if life_us == 0 then return redis.call('DEL', key) end
  redis.call('SET', key, table.concat(parts), 'PX', string.format('%.0f', math.ceil(life_us / 1000)))
end

-- Where a job's entry begins.
local function find(entries, job)
  local at = string.find(entries, job, 1, true)
  while at and (at - 8) % ENTRY ~= 0 do at = string.find(entries, job, at + 1, true) end
  return at and at - 7
end

local function without(entries, job)
  local at = find(entries, job)
  return at and string.sub(entries, 1, at - 1) .. string.sub(entries, at + ENTRY) or entries
end

-- The time at which the job would be charged, and when it would fit, which is 0 if it fits at that time.
-- A clock that stepped back is held at the log's newest entry, so that no span ever gets more than its limit; an
-- entry of the job's own does not count against it.
local function fit(entries, job, windows, now)
  if entries == '' then return now, 0 end
  local at, free_at, own = math.max(now, back(entries, 1)), 0, find(entries, job)
  local own_nth = own and (#entries - own + 1) / ENTRY
  for i = 1, #windows, 8 do
    local nth, seconds = struct.unpack('>I4I4', windows, i)
    if own and own_nth <= nth then nth = nth + 1 end
    local entry = back(entries, nth)
    if entry and entry + seconds * 1000000 > at then free_at = math.max(free_at, entry + seconds * 1000000) end
  end
  return at, free_at
end

-- Charge a job to all of the logs that are told, unless one refuses it: then answers which one refuses it longest, and
-- until when.
local function charge(logs, job, told, now, whatever)
  local charged, refused, retry_at, from = {}, 0, 0, 1
  while from <= #told do
    local name, longest, windows
    name, longest, windows, from = struct.unpack('>c8I4I2c0', told, from)
    local entries = logs[name] and logs[name].entries or ''
    local at, free_at = fit(entries, job, windows, now)
    if free_at > retry_at then refused, retry_at = #charged + 1, free_at end
    charged[#charged + 1] = {name = name, longest = longest, entries = entries, at = at}
  end
  if refused > 0 and not whatever then return refused, retry_at end
  for _, log in ipairs(charged) do
    local entries, gone = log.entries, 1
    if entries ~= '' then
      entries = without(entries, job)
      local oldest = log.at - log.longest * 1000000
      while gone < #entries and struct.unpack('>I7', entries, gone) <= oldest do gone = gone + ENTRY end
      entries = string.sub(entries, gone)
    end
    logs[log.name] = {longest = log.longest, entries = entries .. struct.pack('>I7c16', log.at, job)}
  end
  return 0
end

-- Give a job's charges back. It forgets nothing else, for the clock may step back, and leaves the key its life.
local function refund(key, job)
  local parts = {}
  for name, log in pairs(read_logs(key)) do
    local entries = without(log.entries, job)
    if entries ~= '' then parts[#parts + 1] = pack_log(name, log.longest, entries) end
  end
  if #parts == 0 then return redis.call('DEL', key) end
  redis.call('SET', key, table.concat(parts), 'KEEPTTL')
end
