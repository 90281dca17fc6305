-- All that a coordinator decided from one batch, in one step: applied as a whole, or nothing is changed.
--
-- KEYS[1]  lease (hash)
-- KEYS[2]  inbox (stream)
-- KEYS[3..] every other key that the operations name, each once
--
-- ARGV[1]  nonce of the owner          ARGV[2]  epoch
-- ARGV[3]  number of this commit - 1   ARGV[4]  number of this commit
-- ARGV[5]  inbox position              ARGV[6]  lowest inbox id to keep, or "" to keep all
-- ARGV[7]  what the keys of task streams begin with (for W: the record itself names the pool)
-- ARGV[8]  expected type of KEYS[3..], one letter each: h hash, x stream, s set, z zset, l log (checked by L), - any
-- ARGV[9..] operations, L first; <k> is an index into KEYS:
--   L <k log> <id> <first> <data>                  append to a run log
--   T <k tasks> <k run> <slot> <pool> <data>       append a task; remember "<pool> <entry id>" in the run record
--   F <k run> <n> <name> <value> ...               set fields of a run record: n words, an even number
--   S <k run> <slot>                               forget a slot
--   W <k run> <slot>                               forget a slot, and delete its entry, delivered or not
--   O <k open> <run id>                            a run opened
--   C <k open> <run id> <k run> <k log> <ttl s>    a run closed; ttl 0: keep
--   Z <k timers> <due ms> <member>                 set a timer
--   Y <k timers> <member>                          drop a timer
--   M <k ctl> <length> <data>                      tell all workers
--   B <k blob> <ttl s> <data>                      keep a value; ttl 0: for ever
--
-- Returns 1 applied; 0 already applied; a text: diverged, and why. An error reply (OOM, MISCONF, READONLY ...)
-- means that nothing was changed and the same call may be made again.

local call, pcall_ = redis.call, redis.pcall
local KEYS, ARGV = KEYS, ARGV

local lease = pcall_('HMGET', KEYS[1], 'owner', 'epoch', 'commit')
if lease.err then
  return 'lease: ' .. lease.err
end
if lease[1] ~= ARGV[1] then
  return 'the lease is held by ' .. (lease[1] or '') .. ', not by ' .. ARGV[1]
end
if lease[2] ~= ARGV[2] then
  return 'the epoch is ' .. (lease[2] or '') .. ', not ' .. ARGV[2]
end
if lease[3] ~= ARGV[3] then
  -- Numbers of an epoch are dense: whatever is not above the last one was applied by this very owner.
  local last = tonumber(lease[3] or '')
  if not last then
    return 'the last commit is no number'
  elseif last >= tonumber(ARGV[4]) then
    return 0
  end
  return 'the last commit is ' .. lease[3] .. ', so ' .. ARGV[4] .. ' cannot be next'
end

-- Look before writing.
local types, count = ARGV[8], #ARGV
local full = { h = 'hash', x = 'stream', s = 'set', z = 'zset' }
for k = 3, #KEYS do
  local wanted = full[string.sub(types, k - 2, k - 2)]
  if wanted then
    local found = call('TYPE', KEYS[k]).ok
    if found ~= wanted and found ~= 'none' then
      return 'WRONGTYPE: ' .. KEYS[k] .. ' is a ' .. found .. ', not a ' .. wanted
    end
  end
end
local i = 9
while ARGV[i] == 'L' do
  local later = pcall_('XRANGE', KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], '+', 'COUNT', 1)
  if later.err then
    return KEYS[tonumber(ARGV[i + 1])] .. ': ' .. later.err
  elseif later[1] then
    return 'the log ' .. KEYS[tonumber(ARGV[i + 1])] .. ' already holds ' .. later[1][1]
      .. ', so ' .. ARGV[i + 2] .. ' cannot be appended'
  end
  i = i + 5
end

-- The first write tells whether the server takes writes now; if it does not, nothing was changed.
local probe = pcall_('HSET', KEYS[1], 'commit', ARGV[4], 'position', ARGV[5], 'tries', '')
if type(probe) == 'table' and probe.err then
  return probe
end

i = 9
while i <= count do
  local op = ARGV[i]
  local key = KEYS[tonumber(ARGV[i + 1])]
  if op == 'L' then
    call('XADD', key, ARGV[i + 2], 'f', ARGV[i + 3], 'd', ARGV[i + 4])
    i = i + 5
  elseif op == 'T' then
    local id = call('XADD', key, '*', 'd', ARGV[i + 5])
    call('HSET', KEYS[tonumber(ARGV[i + 2])], 't:' .. ARGV[i + 3], ARGV[i + 4] .. ' ' .. id)
    i = i + 6
  elseif op == 'F' then
    local n = tonumber(ARGV[i + 2])
    call('HSET', key, unpack(ARGV, i + 3, i + 2 + n)) -- n is bounded by the caller
    i = i + 3 + n
  elseif op == 'S' then
    call('HDEL', key, 't:' .. ARGV[i + 2])
    i = i + 3
  elseif op == 'W' then
    local where = call('HGET', key, 't:' .. ARGV[i + 2])
    if where then
      local pool, id = string.match(where, '^(.*) (%S+)$')
      if pool then
        pcall_('XACK', ARGV[7] .. pool, 'workers', id)
        pcall_('XDEL', ARGV[7] .. pool, id)
      end
      call('HDEL', key, 't:' .. ARGV[i + 2])
    end
    i = i + 3
  elseif op == 'O' then
    call('SADD', key, ARGV[i + 2])
    i = i + 3
  elseif op == 'C' then
    call('SREM', key, ARGV[i + 2])
    if ARGV[i + 5] ~= '0' then
      call('EXPIRE', KEYS[tonumber(ARGV[i + 3])], ARGV[i + 5])
      call('EXPIRE', KEYS[tonumber(ARGV[i + 4])], ARGV[i + 5])
    end
    i = i + 6
  elseif op == 'Z' then
    call('ZADD', key, ARGV[i + 2], ARGV[i + 3])
    i = i + 4
  elseif op == 'Y' then
    call('ZREM', key, ARGV[i + 2])
    i = i + 3
  elseif op == 'M' then
    call('XADD', key, 'MAXLEN', '~', ARGV[i + 2], '*', 'd', ARGV[i + 3])
    i = i + 4
  else -- B
    if ARGV[i + 2] == '0' then
      call('SET', key, ARGV[i + 3])
    else
      call('SET', key, ARGV[i + 3], 'EX', ARGV[i + 2])
    end
    i = i + 4
  end
end
if ARGV[6] ~= '' then
  pcall_('XTRIM', KEYS[2], 'MINID', ARGV[6])
end
return 1
