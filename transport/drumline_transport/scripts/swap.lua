-- Put, change or delete one field of a hash, if it holds what is expected.
--
-- KEYS[1] hash
-- ARGV[1] field   ARGV[2] what it must hold ('': it must not be there)   ARGV[3] what it is to hold ('': nothing)
-- ARGV[4] fields that the hash may have
--
-- Returns 1 if it holds that now, also if it did before; 0 if it holds something else; -1 if the hash is full.

local found = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if found == ARGV[3] then
  return 1
elseif found ~= ARGV[2] then
  return 0
elseif ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
elseif found == '' and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return -1
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
