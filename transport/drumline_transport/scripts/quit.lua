-- Forget a consumer that holds nothing. One that holds entries stays: deleting it would drop them silently.
--
-- KEYS[1] task stream
-- ARGV[1] consumer
--
-- Returns 1 if it was forgotten.

local pending = redis.pcall('XPENDING', KEYS[1], 'workers', '-', '+', 1, ARGV[1])
if pending.err or pending[1] then
  return 0
end
redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], 'workers', ARGV[1])
return 1
