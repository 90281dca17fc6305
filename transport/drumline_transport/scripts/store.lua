-- One batch of a store: its reads, then its puts, as one step.
--
-- KEYS[1]  the store: what every key of it begins with
-- ARGV[1]  items that are looked at for searches, at most   ARGV[2]  bytes of items returned by them, about
-- then     operations, each its name and arguments:
--   get <namespace> <key> <refresh>            the row, or false
--   search <namespace> <order of a namespace> <order of an item> <skip> <count> <with vectors> <refresh>
--                                              {1 when all was seen, the two orders and <skip> to go on with, rows}
--   spaces <namespace> <order> <count>         {namespaces below, as search without items, in pairs with their orders}
--   touch <namespace> <key>                    begins the lifetime of an item anew
--   sweep <count>                              deletes expired items; how many
--   put <namespace> <key> <value> <vectors> <lifetime in us, or 0>
--   drop <namespace> <key>
--
-- Returns the replies of all. An error reply means that nothing was changed.
--
-- A namespace is bytes in which each label ends with a slash (protocol/store_names.py), so that its bytes up to a slash
-- are a namespace above it. The keys, behind KEYS[1]:
--   :next           a counter: the order in which namespaces and items came
--   :under:<ns>     zset: namespaces at and below <ns> that hold items, by their order
--   :order:<ns>     zset: keys of the items in <ns>, by their order
--   :items:<ns>     hash: key -> "<created us> <updated us> <lifetime us> <value>"
--   :vectors:<ns>   hash: key -> vectors, of items that have some
--   :ttl            zset: "<bytes of ns>:<ns><key>" of items with a lifetime, by when it is over, in us

local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local items_max, bytes_max = tonumber(ARGV[1]), tonumber(ARGV[2])
local arity = { get = 3, search = 7, spaces = 3, touch = 2, sweep = 1, put = 5, drop = 2 }
local writes = { put = true, drop = true, sweep = true }

local function number(n)
  return string.format('%.0f', n)
end

local function member(ns, key)
  return #ns .. ':' .. ns .. key
end

local function is_over(ns, key, row)
  local lifetime = string.match(row, '^%d+ %d+ (%d+) ')
  if not lifetime or lifetime == '0' then
    return false
  end
  local over = redis.call('ZSCORE', base .. ':ttl', member(ns, key))
  return over and tonumber(over) <= now
end

-- the row of an item that is there and not over
local function row_of(ns, key)
  local row = redis.call('HGET', base .. ':items:' .. ns, key)
  if row and not is_over(ns, key, row) then
    return row
  end
  return false
end

local function touch(ns, key, row)
  local lifetime = row and tonumber(string.match(row, '^%d+ %d+ (%d+) '))
  if lifetime and lifetime > 0 then
    redis.call('ZADD', base .. ':ttl', number(now + lifetime), member(ns, key))
  end
end

-- calls `use` with the namespace and all above it
local function each_above(ns, use)
  use(base .. ':under:')
  for slash in string.gmatch(ns, '()/') do
    use(base .. ':under:' .. string.sub(ns, 1, slash))
  end
end

local function drop(ns, key)
  if redis.call('HDEL', base .. ':items:' .. ns, key) == 0 then
    return
  end
  redis.call('HDEL', base .. ':vectors:' .. ns, key)
  redis.call('ZREM', base .. ':ttl', member(ns, key))
  redis.call('ZREM', base .. ':order:' .. ns, key)
  if redis.call('EXISTS', base .. ':order:' .. ns) == 0 then
    each_above(ns, function(under)
      redis.call('ZREM', under, ns)
    end)
  end
end

local function put(ns, key, value, vectors, lifetime)
  local old, created = row_of(ns, key), number(now)
  if old then
    created = string.match(old, '^(%d+) ')
  else
    drop(ns, key)
    local order = redis.call('INCR', base .. ':next')
    if redis.call('EXISTS', base .. ':order:' .. ns) == 0 then
      each_above(ns, function(under)
        redis.call('ZADD', under, order, ns)
      end)
    end
    redis.call('ZADD', base .. ':order:' .. ns, order, key)
  end
  redis.call('HSET', base .. ':items:' .. ns, key, created .. ' ' .. number(now) .. ' ' .. lifetime .. ' ' .. value)
  if vectors == '' then
    redis.call('HDEL', base .. ':vectors:' .. ns, key)
  else
    redis.call('HSET', base .. ':vectors:' .. ns, key, vectors)
  end
  if lifetime == '0' then
    redis.call('ZREM', base .. ':ttl', member(ns, key))
  else
    redis.call('ZADD', base .. ':ttl', number(now + tonumber(lifetime)), member(ns, key))
  end
end

local function sweep(count)
  local over = redis.call('ZRANGEBYSCORE', base .. ':ttl', '-inf', number(now), 'LIMIT', 0, count)
  for _, name in ipairs(over) do
    local size, rest = string.match(name, '^(%d+):(.*)$')
    if size then
      drop(string.sub(rest, 1, tonumber(size)), string.sub(rest, tonumber(size) + 1))
    end
    redis.call('ZREM', base .. ':ttl', name)
  end
  return #over
end

local function search(below, at_ns, at_item, skip, count, with_vectors, refresh)
  local rows, seen, bytes = {}, 0, 0
  while true do
    local spaces = redis.call('ZRANGEBYSCORE', base .. ':under:' .. below, at_ns, '+inf', 'WITHSCORES', 'LIMIT', 0, 50)
    for i = 1, #spaces, 2 do
      local ns, behind = spaces[i], '-inf'
      if spaces[i + 1] == at_ns then
        behind = '(' .. at_item
      end
      repeat
        local keys = redis.call('ZRANGEBYSCORE', base .. ':order:' .. ns, behind, '+inf', 'WITHSCORES', 'LIMIT', 0, 100)
        for j = 1, #keys, 2 do
          if seen >= items_max or bytes >= bytes_max or #rows >= count then
            return { 0, at_ns, at_item, skip, rows }
          end
          local row = row_of(ns, keys[j])
          if row and skip > 0 then
            skip = skip - 1
          elseif row then
            local vectors = with_vectors and redis.call('HGET', base .. ':vectors:' .. ns, keys[j]) or ''
            rows[#rows + 1] = { ns, keys[j], row, vectors }
            bytes = bytes + #row + #vectors
            if refresh then
              touch(ns, keys[j], row)
            end
          end
          seen = seen + 1
          at_ns, at_item = spaces[i + 1], keys[j + 1]
          behind = '(' .. at_item
        end
      until #keys < 200
      seen = seen + 1
      at_ns, at_item = spaces[i + 1], '+inf'
    end
    if #spaces < 100 then
      return { 1, at_ns, at_item, skip, rows }
    end
    if seen >= items_max then
      return { 0, at_ns, at_item, skip, rows }
    end
  end
end

-- whether all keys that the operations write are what they should be: nothing may fail after the first write
local function foreign(key, wanted)
  local found = redis.call('TYPE', key).ok
  return found ~= 'none' and found ~= wanted and redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. found)
end

local function wrong(name, ns)
  if not writes[name] then
    return false
  end
  local found = foreign(base .. ':next', 'string') or foreign(base .. ':ttl', 'zset')
  if name ~= 'sweep' and not found then
    found = foreign(base .. ':items:' .. ns, 'hash') or foreign(base .. ':vectors:' .. ns, 'hash')
    found = found or foreign(base .. ':order:' .. ns, 'zset')
    each_above(ns, function(under)
      found = found or foreign(under, 'zset')
    end)
  end
  return found
end

local calls = {
  get = function(ns, key, refresh)
    local row = row_of(ns, key)
    if refresh == '1' then
      touch(ns, key, row)
    end
    return row
  end,
  search = function(below, at_ns, at_item, skip, count, with_vectors, refresh)
    return search(below, at_ns, at_item, tonumber(skip), tonumber(count), with_vectors == '1', refresh == '1')
  end,
  spaces = function(below, after, count)
    return redis.call('ZRANGEBYSCORE', base .. ':under:' .. below, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
  end,
  touch = function(ns, key)
    touch(ns, key, row_of(ns, key))
    return 1
  end,
  sweep = function(count)
    return sweep(tonumber(count))
  end,
  put = put,
  drop = drop,
}

local i, puts = 3, false
while i <= #ARGV do
  local found = wrong(ARGV[i], ARGV[i + 1])
  if found then
    return found
  end
  puts = puts or ARGV[i] == 'put'
  i = i + 1 + arity[ARGV[i]]
end
if puts then
  -- the one write that a full server refuses; behind it none is refused within this script
  local counted = redis.pcall('INCR', base .. ':next')
  if type(counted) == 'table' then
    return counted
  end
  sweep(20)
end
local replies = {}
i = 3
while i <= #ARGV do
  local name = ARGV[i]
  local reply = calls[name](unpack(ARGV, i + 1, i + arity[name]))
  replies[#replies + 1] = reply or false
  i = i + 1 + arity[name]
end
return replies
