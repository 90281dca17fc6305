-- Reset the idle time of all pending entries of one consumer, for a worker that cannot say which it holds: one may have
-- been delivered just before user code took hold of its process.
--
-- KEYS[1]  task stream
-- ARGV[1]  consumer   ARGV[2] at most so many
--
-- Returns how many. A deleted entry is not brought back (Redis 6.2 would let XCLAIM answer for it).

local rows = redis.pcall('XPENDING', KEYS[1], 'workers', '-', '+', ARGV[2], ARGV[1])
if rows.err then
  return 0
end
local renewed = 0
for _, row in ipairs(rows) do
  local id = row[1]
  if redis.call('XRANGE', KEYS[1], id, id)[1] then
    redis.call('XCLAIM', KEYS[1], 'workers', ARGV[1], 0, id, 'JUSTID')
    renewed = renewed + 1
  end
end
return renewed
