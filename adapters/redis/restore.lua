-- Log what the message store knows of a number's charges and Redis forgot; an entry that is there already stands.
-- KEYS: the number's logs.  ARGV: the log as `logs` takes it, and the entries.
local logs, now = read_logs(KEYS[1]), clock()
local name, longest = struct.unpack('>c8I4', ARGV[1])
local entries, all = logs[name] and logs[name].entries or '', {}
for i = 1, #ARGV[2], ENTRY do
  local entry = string.sub(ARGV[2], i, i + ENTRY - 1)
  if not find(entries, string.sub(entry, 8)) then entries = entries .. entry end
end
for i = 1, #entries, ENTRY do all[#all + 1] = string.sub(entries, i, i + ENTRY - 1) end
table.sort(all, function(a, b) return back(a, 1) < back(b, 1) end)
logs[name] = {longest = longest, entries = table.concat(all)}
write_logs(KEYS[1], logs, now)
