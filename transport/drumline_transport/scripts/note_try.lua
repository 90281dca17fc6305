-- Count one more try of handling an inbox entry after a takeover.
--
-- KEYS[1] lease (hash)
-- ARGV[1] nonce   ARGV[2] epoch   ARGV[3] entry id
--
-- Returns the count, this try included; 0 when the lease is not held in that epoch (also: when it is no hash any more).

local lease = redis.pcall('HMGET', KEYS[1], 'owner', 'epoch', 'tries')
if lease.err or lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then
  return 0
end
local id, count = string.match(lease[3] or '', '^(%S+) (%d+)$')
if id ~= ARGV[3] or #count > 9 then
  count = 0
end
count = tonumber(count) + 1
redis.call('HSET', KEYS[1], 'tries', ARGV[3] .. ' ' .. count)
return count
