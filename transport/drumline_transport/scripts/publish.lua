-- Append to inboxes, then acknowledge and delete finished tasks: no acknowledgement without the results before it.
--
-- KEYS     inboxes first, then task streams, each once
-- ARGV[1]  how many of KEYS are inboxes
-- ARGV[2]  how many entries follow: <index into KEYS> <run id> <data> ...
-- ARGV[3]  bytes that an inbox may hold
-- then     finished tasks:          <index into KEYS> <entry id> ...
--
-- Returns 1. An error reply means that nothing was changed; INBOXFULL passes as soon as the coordinator has caught up.

-- Below this many entries an inbox is not measured; MEMORY USAGE looks at a few nodes of a longer one.
local few = 200

for k = 1, tonumber(ARGV[1]) do
  local found = redis.call('TYPE', KEYS[k]).ok
  if found ~= 'stream' and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[k] .. ' is a ' .. found .. ', not a stream')
  end
  if found == 'stream' and redis.call('XLEN', KEYS[k]) > few then
    local size = redis.pcall('MEMORY', 'USAGE', KEYS[k], 'SAMPLES', 5)
    if type(size) == 'number' and size > tonumber(ARGV[3]) then
      return redis.error_reply('INBOXFULL ' .. KEYS[k] .. ' holds ' .. size .. ' bytes: its coordinator is slow, or away')
    end
  end
end
local i = 4
for n = 1, tonumber(ARGV[2]) do
  local id = redis.pcall('XADD', KEYS[tonumber(ARGV[i])], '*', 'r', ARGV[i + 1], 'd', ARGV[i + 2])
  if type(id) == 'table' and id.err then
    return id -- only the first can fail: whether the server takes writes does not change within a script
  end
  i = i + 3
end
while i < #ARGV do
  redis.pcall('XACK', KEYS[tonumber(ARGV[i])], 'workers', ARGV[i + 1])
  redis.pcall('XDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
  i = i + 2
end
return 1
