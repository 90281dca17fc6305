-- Count one more try of handling an inbox entry after a takeover.
--
-- KEYS[1] lease (hash)
-- ARGV[1] nonce   ARGV[2] epoch   ARGV[3] entry id
--
-- Returns the count, this try included; 0 when the lease is not held in that epoch.

local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'tries')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then
  return 0
end
local id, count = string.match(lease[3] or '', '^(%S+) (%d+)$')
if id ~= ARGV[3] then
  count = 0
end
count = tonumber(count) + 1
redis.call('HSET', KEYS[1], 'tries', ARGV[3] .. ' ' .. count)
return count
