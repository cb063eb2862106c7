-- Charge a job to one count that belongs to no single number; answers 0, or when it would fit.
-- KEYS: the log.  ARGV: job, windows.
local at, free_at = fit(KEYS[1], ARGV[1], ARGV[2])
if free_at == 0 then charge(KEYS[1], ARGV[1], ARGV[2], at) end
return free_at
