-- Begin the requests of a partition anew, when their last entry bears an id from the future.
--
-- KEYS[1] lease (hash)   KEYS[2] requests (stream)
-- ARGV[1] nonce   ARGV[2] epoch   ARGV[3] the last id that was handled
--
-- Returns 1; 0 when the lease is not held, or when there is an entry behind that id.

local lease = redis.pcall('HMGET', KEYS[1], 'owner', 'epoch')
if lease.err or lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then
  return 0
end
local behind = redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if behind.err or (behind[1] and behind[1][1] ~= ARGV[3]) then
  return 0
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'requests', '0-0')
return 1
