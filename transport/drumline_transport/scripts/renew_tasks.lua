-- Reset the idle time of pending entries that this consumer still owns.
--
-- KEYS[1]  task stream
-- ARGV[1]  consumer
-- ARGV[2..] entry ids
--
-- Returns the ids still owned. An entry that was acknowledged, deleted, or claimed by another is not among them, and is
-- not brought back (Redis 6.2 would let XCLAIM answer for a deleted one).

local owned = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local pending = redis.pcall('XPENDING', KEYS[1], 'workers', id, id, 1, ARGV[1])
  if not pending.err and pending[1] and redis.call('XRANGE', KEYS[1], id, id)[1] then
    redis.call('XCLAIM', KEYS[1], 'workers', ARGV[1], 0, id, 'JUSTID')
    owned[#owned + 1] = id
  end
end
return owned
