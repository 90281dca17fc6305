-- A cache: read values, keep some, or forget those of a namespace.
--
-- KEYS[1]  the cache: what every key of it begins with
-- ARGV[1]  get    then <namespace> <key> ...                              the values, false where there is none
--          set    then <namespace> <key> <value> <ms, or 0: for ever> ... 1
--          clear  then <namespace> <count>     forgets `count` values of a namespace; how many are left
--          spaces                              the namespaces that hold something
--
-- An error reply means that nothing was changed, or that all of a part was.
--
-- The keys, behind KEYS[1]:
--   :values:<bytes of ns>:<ns><key>  string: a value
--   :keys:<ns>                       zset: the keys of a namespace, by when they expire in ms
--   :spaces                          set of namespaces

local base = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function name(ns, key)
  return base .. ':values:' .. #ns .. ':' .. ns .. key
end

local function keep(ns, key, value, ms)
  local keys = base .. ':keys:' .. ns
  redis.call('SADD', base .. ':spaces', ns)
  redis.call('ZREMRANGEBYSCORE', keys, '-inf', string.format('%.0f', now))
  if ms == 0 then
    redis.call('SET', name(ns, key), value)
    redis.call('ZADD', keys, '+inf', key)
    redis.call('PERSIST', keys)
  else
    redis.call('SET', name(ns, key), value, 'PX', ms)
    redis.call('ZADD', keys, string.format('%.0f', now + ms), key)
    local last = redis.call('ZREVRANGE', keys, 0, 0, 'WITHSCORES')[2]
    if tonumber(last) < 2 ^ 53 then
      redis.call('PEXPIREAT', keys, string.format('%.0f', tonumber(last)))
    end
  end
end

if ARGV[1] == 'get' then
  local found = {}
  for i = 2, #ARGV, 2 do
    found[#found + 1] = redis.call('GET', name(ARGV[i], ARGV[i + 1]))
  end
  return found
elseif ARGV[1] == 'set' then
  for i = 2, #ARGV, 4 do
    local refused = redis.pcall('SADD', base .. ':spaces', ARGV[i])
    if type(refused) == 'table' then
      return refused
    end
    keep(ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]))
  end
  return 1
elseif ARGV[1] == 'clear' then
  local keys = base .. ':keys:' .. ARGV[2]
  for _, key in ipairs(redis.call('ZRANGE', keys, 0, tonumber(ARGV[3]) - 1)) do
    redis.call('DEL', name(ARGV[2], key))
    redis.call('ZREM', keys, key)
  end
  local left = redis.call('ZCARD', keys)
  if left == 0 then
    redis.call('SREM', base .. ':spaces', ARGV[2])
  end
  return left
end
return redis.call('SMEMBERS', base .. ':spaces')
