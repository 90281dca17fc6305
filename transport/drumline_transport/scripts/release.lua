-- End a lease that is still ours; its commits are fenced from here on.
--
-- KEYS[1] lease (hash)
-- ARGV[1] nonce
--
-- Returns 1, or 0 when the lease belongs to another, or is no hash any more.

if redis.pcall('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'owner', '', 'until', '0')
return 1
