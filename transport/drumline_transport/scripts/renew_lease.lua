-- Prolong a lease that is still ours.
--
-- KEYS[1] lease (hash)
-- ARGV[1] nonce   ARGV[2] ttl in ms
--
-- Returns 1, or 0 when the lease belongs to another. An error reply when it is no hash any more.

local owner = redis.pcall('HGET', KEYS[1], 'owner')
if owner ~= ARGV[1] then
  return type(owner) == 'table' and owner or 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[2]))
return 1
