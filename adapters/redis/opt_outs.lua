-- A number's opt-outs: a hash from account ('*': every one) to the time of the last word in microseconds, negative where
-- that lifted the opt-out. It has no expiry.
local HELD_MS = 5000 -- until a promotion is tried again that waits for what its number wrote to be settled

local function opted_out(key, account)
  for _, said in ipairs(redis.call('HMGET', key, account, '*')) do
    if said and tonumber(said) > 0 then return true end
  end
  return false
end
