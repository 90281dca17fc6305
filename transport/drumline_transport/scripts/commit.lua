-- All that a coordinator decided from one batch, in one step: applied as a whole, or nothing is changed.
--
-- KEYS[1]  lease (hash); the keys of the partition's inbox and requests differ from it in their last word only
-- KEYS[2..] every other key that the operations name, each once; or none, and ARGV names them
--
-- ARGV[1]  nonce of the owner          ARGV[2]  epoch
-- ARGV[3]  number of this commit - 1   ARGV[4]  number of this commit
-- ARGV[5]  position in the inbox       ARGV[6]  position in the requests; "": as after the commit before. What lies up
--                                               to a position that is given goes
-- ARGV[7]  expected type of each key but the lease: h hash, x stream, s set, z zset, l log (checked by L), - any
-- ARGV[8]  if KEYS has the lease alone: ids, and a word for each other key, with a byte 1 between any two. A word is the
--          name behind that of the partition; or the number of an id, and the name with * in the place of that; or = and
--          the whole name
-- ARGV[9..] operations, L and I first, then A, then E, then T and U; <k> is the number of a key, that of the lease is 1:
--   L <k log> <id> <first> <data>                  append to a run log
--   I <k log> <id> <first> <tail> <n> (<data> <entry> <from> <to>) x n  the same; its data is put together: n times what
--                                                  is sent and behind it the bytes from..to of an inbox entry, or with
--                                                  r before its id of a request, then tail
--   A <k cell> <k run> <cell> <id> <parent> <data> <log> <from> <to>  append a version of a cell; name the cell in the
--                                                  run record. Behind its data come the bytes from..to of what the
--                                                  operation L or I of that number appends; log 0: none
--   E <k stream> <id> <n> <name> <value> ...       append an entry of n words: to the history of a thread, or the queue
--   e <k stream> <id> <head> <log> <from> <to> <tail>  append a row of a history: head, bytes of a log's data, tail
--   T <k tasks> <k run> <attempt> <pool> <digest> <at> <data>  append a task; remember "<pool> <entry id>" and the
--                                                  digest of its token in the run record. What the record has as
--                                                  `shared` goes behind that many bytes of data; at "": nowhere
--   U <k tasks> <k run> <attempt> <pool> <digest> <at> <data> <log> <from> <to> <tail>  the same, with bytes of a log's
--                                                  data between data and tail
--   F <k run> <n> <name> <value> ...               set fields of a run record: n words, an even number
--   S <k run> <attempt>                            forget an attempt
--   W <k run> <attempt> <tasks>                    forget an attempt, and delete its entry, delivered or not. The record
--                                                  names the pool; tasks is what the keys of task streams begin with
--   O <k open> <run id>                            a run opened
--   P <k waiting> <run id> <1 or 0>                a run has tasks that wait without an entry, or none any more
--   C <k open> <run id> <k run> <k log> <ttl s> <1 or 0>  a run closed: its log, its record and what that names expire;
--                                                  ttl 0: keep. 1: put a copy in the place of its log
--   Z <k timers> <due ms> <member>                 set a timer
--   Y <k timers> <member>                          drop a timer
--   M <k ctl> <length> <data>                      tell all workers
--   B <k blob> <k run> <blob id> <ttl s> <data>    keep a value, and its name in the run record; ttl 0: for ever
--   G <k blob> <k run> <blob id>                   keep a value that a worker has put, and name it in the run record
--   K <k cell> <k run> <cell> <lowest id>          trim the versions of a cell
--   V <k cell or blob> <k run> <name>              drop a cell or a value, and its name in the run record
--   X <k log> <lowest id>                          trim a run log
--   N <k stream> <length> <n> <name> <value> ...   add a note of n words to a stream that keeps about that many
--   Q <k stream> <id>                              delete an entry
--   H <k stream> <id>                              delete all entries behind that one
--   J <k runs> <run id> <when it ended> <ms>       note a run of a thread, and forget those that ended before that
--   D <k threads> <thread> <k thread> <k history> <k values> <k runs>  a thread of which nothing is to stay
--   R <k open> <run id> <k run> <k log>            a run of which nothing is to stay: with all that its record names
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

-- All keys of the partition begin with this: so does what a run record names.
local tag = string.sub(KEYS[1], 1, -#'lease' - 1)

local types, count = ARGV[7], #ARGV
if #KEYS == 1 then
  local names, told = { KEYS[1] }, {}
  for word in string.gmatch(ARGV[8], '[^\1]+') do
    told[#told + 1] = word
  end
  local ids = #told - #types
  for k = 1, #types do
    local word = told[ids + k]
    local id, before, after = string.match(word, '^(%d+)([^*]*)%*(.*)$')
    if id then
      word = tag .. before .. told[tonumber(id)] .. after
    else
      word = string.sub(word, 1, 1) == '=' and string.sub(word, 2) or tag .. word
    end
    names[k + 1] = word
  end
  KEYS = names
end

-- Look before writing.
local full = { h = 'hash', x = 'stream', s = 'set', z = 'zset' }
for k = 2, #KEYS do
  local wanted = full[string.sub(types, k - 1, k - 1)]
  if wanted then
    local found = call('TYPE', KEYS[k]).ok
    if found ~= wanted and found ~= 'none' then
      return 'WRONGTYPE: ' .. KEYS[k] .. ' is a ' .. found .. ', not a ' .. wanted
    end
  end
end

-- The data of an entry of the inbox, or with r before its id of the requests; '' if it is not there.
local function heard(id)
  local stream = 'inbox'
  if string.sub(id, 1, 1) == 'r' then
    stream, id = 'requests', string.sub(id, 2)
  end
  local entry = pcall_('XRANGE', tag .. stream, id, id)
  local words = not entry.err and entry[1] and entry[1][2] or {}
  for w = 1, #words, 2 do
    if words[w] == 'd' then
      return words[w + 1]
    end
  end
  return ''
end

local i = 9
local logs = {} -- what is appended to logs
while ARGV[i] == 'L' or ARGV[i] == 'I' do
  local later = pcall_('XRANGE', KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], '+', 'COUNT', 1)
  if later.err then
    return KEYS[tonumber(ARGV[i + 1])] .. ': ' .. later.err
  elseif later[1] then
    return 'the log ' .. KEYS[tonumber(ARGV[i + 1])] .. ' already holds ' .. later[1][1]
      .. ', so ' .. ARGV[i + 2] .. ' cannot be appended'
  end
  if ARGV[i] == 'L' then
    logs[#logs + 1] = ARGV[i + 4]
    i = i + 5
  else
    local pieces, tail = {}, ARGV[i + 4]
    local n = tonumber(ARGV[i + 5])
    i = i + 6
    for _ = 1, n do
      local told, to = heard(ARGV[i + 1]), tonumber(ARGV[i + 3])
      if #told < to then
        return 'the inbox lacks its entry ' .. ARGV[i + 1] .. ', of which a log entry is made'
      end
      pieces[#pieces + 1] = ARGV[i]
      pieces[#pieces + 1] = string.sub(told, tonumber(ARGV[i + 2]), to)
      i = i + 4
    end
    pieces[#pieces + 1] = tail
    logs[#logs + 1] = table.concat(pieces)
  end
end
while ARGV[i] == 'A' do
  -- Nothing but K trims a cell, and never its last version alone: so its last id is that of an entry.
  local key = KEYS[tonumber(ARGV[i + 1])]
  local later = call('XRANGE', key, ARGV[i + 4], '+', 'COUNT', 1)
  if later[1] and ARGV[i + 5] ~= '0' then -- a base needs nothing that is there, and takes its place
    return 'the cell ' .. key .. ' already holds ' .. later[1][1] .. ', so ' .. ARGV[i + 4] .. ' cannot be appended'
  end
  i = i + 10
end
while ARGV[i] == 'E' or ARGV[i] == 'e' do
  local key = KEYS[tonumber(ARGV[i + 1])]
  local later = call('XRANGE', key, ARGV[i + 2], '+', 'COUNT', 1)
  if later[1] then
    return key .. ' already holds ' .. later[1][1] .. ', so ' .. ARGV[i + 2] .. ' cannot be appended'
  end
  i = i + (ARGV[i] == 'e' and 8 or 4 + tonumber(ARGV[i + 3]))
end
local shared = {} -- what the tasks of a run have in common, by the index of its record
while ARGV[i] == 'T' or ARGV[i] == 'U' do
  local k = tonumber(ARGV[i + 2])
  if ARGV[i + 6] ~= '' and not shared[k] then
    shared[k] = call('HGET', KEYS[k], 'shared')
    if not shared[k] then
      return 'the record ' .. KEYS[k] .. ' lacks what its tasks have in common'
    end
  end
  i = i + (ARGV[i] == 'T' and 8 or 12)
end

-- The keys of the cells and values that the record of a run names (mark ''), or the values of a thread (mark '%t').
local function values_of(record, id, mark)
  local found = {}
  local owner = mark .. string.gsub(string.gsub(id, '%%', '%%25'), ':', '%%3A')
  for _, name in ipairs(call('HKEYS', record)) do
    local kind, rest = string.sub(name, 1, 2), string.sub(name, 3)
    if kind == 'c:' then
      found[#found + 1] = tag .. 'cells:' .. owner .. ':' .. rest
    elseif kind == 'b:' then
      found[#found + 1] = tag .. 'blob:' .. rest
    end
  end
  return found
end

-- A stream is given 4 KiB to begin with, and keeps them. A copy takes what it holds. Who may not copy keeps it as it is.
local function compact(key)
  local copy = tag .. 'copy'
  if pcall_('COPY', key, copy, 'REPLACE') == 1 then
    local moved = pcall_('RENAME', copy, key)
    if moved.err then
      call('DEL', copy)
    end
  end
end

-- The lowest id behind a position. A number beyond Lua's is left as it is: then the last entry stays until the next one.
local function behind(position)
  local ms, seq = string.match(position, '^(%d+)-(%d+)$')
  return #seq > 15 and position or ms .. '-' .. string.format('%.0f', seq + 1)
end

-- The first write tells whether the server takes writes now; if it does not, nothing was changed.
local probe = pcall_('HSET', KEYS[1], 'commit', ARGV[4], 'tries', '')
if type(probe) == 'table' and probe.err then
  return probe
end
if ARGV[5] ~= '' then
  call('HSET', KEYS[1], 'position', ARGV[5])
end
if ARGV[6] ~= '' then
  call('HSET', KEYS[1], 'requests', ARGV[6])
end

i = 9
local appended = 0
while i <= count do
  local op = ARGV[i]
  local key = KEYS[tonumber(ARGV[i + 1])]
  if op == 'L' or op == 'I' then
    appended = appended + 1
    call('XADD', key, ARGV[i + 2], 'f', ARGV[i + 3], 'd', logs[appended])
    i = i + (op == 'L' and 5 or 6 + 4 * tonumber(ARGV[i + 5]))
  elseif op == 'A' then
    local data = ARGV[i + 6]
    if ARGV[i + 7] ~= '0' then
      data = data .. string.sub(logs[tonumber(ARGV[i + 7])], tonumber(ARGV[i + 8]), tonumber(ARGV[i + 9]))
    end
    if ARGV[i + 5] == '0' and call('XRANGE', key, ARGV[i + 4], '+', 'COUNT', 1)[1] then
      call('DEL', key) -- left by a run of the same id, whose record was deleted by hand
    end
    local added = pcall_('XADD', key, ARGV[i + 4], 'p', ARGV[i + 5], 'd', data)
    if type(added) == 'table' and added.err then -- somebody has written into it, and taken that out again
      call('DEL', key)
      call('XADD', key, ARGV[i + 4], 'p', ARGV[i + 5], 'd', data)
    end
    call('HSET', KEYS[tonumber(ARGV[i + 2])], 'c:' .. ARGV[i + 3], '')
    i = i + 10
  elseif op == 'E' or op == 'e' then
    local words, n = {}, 4
    if op == 'E' then
      n = tonumber(ARGV[i + 3])
      words = { unpack(ARGV, i + 4, i + 3 + n) } -- n is bounded by the caller
    else
      local part = string.sub(logs[tonumber(ARGV[i + 4])], tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]))
      words = { 'd', ARGV[i + 3] .. part .. ARGV[i + 7] }
    end
    local added = pcall_('XADD', key, ARGV[i + 2], unpack(words))
    if type(added) == 'table' and added.err then -- somebody has written into it, and taken that out again
      local rows = call('XRANGE', key, '-', '+')
      call('DEL', key) -- the only way back to lower ids that every server knows
      for _, row in ipairs(rows) do
        call('XADD', key, row[1], unpack(row[2]))
      end
      call('XADD', key, ARGV[i + 2], unpack(words))
    end
    i = i + 4 + n
  elseif op == 'T' or op == 'U' then
    local data = ARGV[i + 7]
    if ARGV[i + 6] ~= '' then
      local at = tonumber(ARGV[i + 6])
      data = string.sub(data, 1, at) .. shared[tonumber(ARGV[i + 2])] .. string.sub(data, at + 1)
    end
    if op == 'U' then
      local part = string.sub(logs[tonumber(ARGV[i + 8])], tonumber(ARGV[i + 9]), tonumber(ARGV[i + 10]))
      data = data .. part .. ARGV[i + 11]
    end
    local id = call('XADD', key, '*', 'd', data)
    local attempt = ARGV[i + 3]
    call('HSET', KEYS[tonumber(ARGV[i + 2])], 't:' .. attempt, ARGV[i + 4] .. ' ' .. id, 'k:' .. attempt, ARGV[i + 5])
    i = i + (op == 'T' and 8 or 12)
  elseif op == 'F' then
    local n = tonumber(ARGV[i + 2])
    call('HSET', key, unpack(ARGV, i + 3, i + 2 + n)) -- n is bounded by the caller
    i = i + 3 + n
  elseif op == 'S' then
    call('HDEL', key, 't:' .. ARGV[i + 2], 'k:' .. ARGV[i + 2])
    i = i + 3
  elseif op == 'W' then
    local where = call('HGET', key, 't:' .. ARGV[i + 2])
    if where then
      local pool, id = string.match(where, '^(.*) (%S+)$')
      if pool then
        pcall_('XACK', ARGV[i + 3] .. pool, 'workers', id)
        pcall_('XDEL', ARGV[i + 3] .. pool, id)
      end
      call('HDEL', key, 't:' .. ARGV[i + 2], 'k:' .. ARGV[i + 2])
    end
    i = i + 4
  elseif op == 'O' then
    call('SADD', key, ARGV[i + 2])
    i = i + 3
  elseif op == 'P' then
    call(ARGV[i + 3] == '1' and 'SADD' or 'SREM', key, ARGV[i + 2])
    i = i + 4
  elseif op == 'C' then
    call('SREM', key, ARGV[i + 2])
    pcall_('SREM', tag .. 'waiting', ARGV[i + 2])
    call('HDEL', KEYS[tonumber(ARGV[i + 3])], 'shared') -- nothing of the run is sent any more
    if ARGV[i + 6] == '1' then
      compact(KEYS[tonumber(ARGV[i + 4])])
    end
    if ARGV[i + 5] ~= '0' then
      for _, value in ipairs(values_of(KEYS[tonumber(ARGV[i + 3])], ARGV[i + 2], '')) do
        call('EXPIRE', value, ARGV[i + 5])
      end
      call('EXPIRE', KEYS[tonumber(ARGV[i + 3])], ARGV[i + 5])
      call('EXPIRE', KEYS[tonumber(ARGV[i + 4])], ARGV[i + 5])
    end
    i = i + 7
  elseif op == 'Z' then
    call('ZADD', key, ARGV[i + 2], ARGV[i + 3])
    i = i + 4
  elseif op == 'Y' then
    call('ZREM', key, ARGV[i + 2])
    i = i + 3
  elseif op == 'M' then
    call('XADD', key, 'MAXLEN', '~', ARGV[i + 2], '*', 'd', ARGV[i + 3])
    i = i + 4
  elseif op == 'B' then
    if ARGV[i + 4] == '0' then
      call('SET', key, ARGV[i + 5])
    else
      call('SET', key, ARGV[i + 5], 'EX', ARGV[i + 4])
    end
    call('HSET', KEYS[tonumber(ARGV[i + 2])], 'b:' .. ARGV[i + 3], '')
    i = i + 6
  elseif op == 'G' then
    call('PERSIST', key)
    call('HSET', KEYS[tonumber(ARGV[i + 2])], 'b:' .. ARGV[i + 3], '')
    i = i + 4
  elseif op == 'K' then
    call('XTRIM', key, 'MINID', ARGV[i + 4])
    if call('XLEN', key) == 0 then -- its last id would stay, and refuse what comes
      call('DEL', key)
      call('HDEL', KEYS[tonumber(ARGV[i + 2])], 'c:' .. ARGV[i + 3])
    end
    i = i + 5
  elseif op == 'V' then
    call('DEL', key)
    call('HDEL', KEYS[tonumber(ARGV[i + 2])], ARGV[i + 3])
    i = i + 4
  elseif op == 'X' then
    call('XTRIM', key, 'MINID', ARGV[i + 2])
    i = i + 3
  elseif op == 'N' then
    local n = tonumber(ARGV[i + 3])
    call('XADD', key, 'MAXLEN', '~', ARGV[i + 2], '*', unpack(ARGV, i + 4, i + 3 + n)) -- n is bounded by the caller
    i = i + 4 + n
  elseif op == 'Q' then
    call('XDEL', key, ARGV[i + 2])
    i = i + 3
  elseif op == 'H' then
    local rows
    repeat
      rows = call('XRANGE', key, '(' .. ARGV[i + 2], '+', 'COUNT', 100)
      for _, row in ipairs(rows) do
        call('XDEL', key, row[1])
      end
    until #rows == 0
    i = i + 3
  elseif op == 'J' then
    call('ZADD', key, ARGV[i + 3], ARGV[i + 2])
    call('ZREMRANGEBYSCORE', key, '-inf', ARGV[i + 4])
    i = i + 5
  elseif op == 'D' then
    local thread, runs = ARGV[i + 2], KEYS[tonumber(ARGV[i + 6])]
    for _, run in ipairs(call('ZRANGE', runs, 0, -1)) do
      call('DEL', tag .. 'run:' .. run, tag .. 'log:' .. run)
      pcall_('SREM', tag .. 'open', run)
      pcall_('SREM', tag .. 'waiting', run)
    end
    for _, value in ipairs(values_of(KEYS[tonumber(ARGV[i + 5])], thread, '%t')) do
      call('DEL', value)
    end
    for at = 3, 6 do
      call('DEL', KEYS[tonumber(ARGV[i + at])])
    end
    call('ZREM', key, thread)
    i = i + 7
  else -- R
    call('SREM', key, ARGV[i + 2])
    pcall_('SREM', tag .. 'waiting', ARGV[i + 2])
    for _, value in ipairs(values_of(KEYS[tonumber(ARGV[i + 3])], ARGV[i + 2], '')) do
      call('DEL', value)
    end
    call('DEL', KEYS[tonumber(ARGV[i + 3])], KEYS[tonumber(ARGV[i + 4])])
    i = i + 5
  end
end
if ARGV[5] ~= '' then
  pcall_('XTRIM', tag .. 'inbox', 'MINID', behind(ARGV[5]))
end
if ARGV[6] ~= '' then
  pcall_('XTRIM', tag .. 'requests', 'MINID', behind(ARGV[6]))
end
return 1
