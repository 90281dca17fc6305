-- Append to inboxes, then acknowledge and delete finished tasks: no acknowledgement without the results before it.
--
-- KEYS     inboxes first, then task streams, each once
-- ARGV[1]  how many of KEYS are inboxes
-- ARGV[2]  how many entries follow: <index into KEYS> <data> ...
-- then     finished tasks:          <index into KEYS> <entry id> ...
--
-- Returns 1. An error reply means that nothing was changed.

for k = 1, tonumber(ARGV[1]) do
  local found = redis.call('TYPE', KEYS[k]).ok
  if found ~= 'stream' and found ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[k] .. ' is a ' .. found .. ', not a stream')
  end
end
local i = 3
for n = 1, tonumber(ARGV[2]) do
  local id = redis.pcall('XADD', KEYS[tonumber(ARGV[i])], '*', 'd', ARGV[i + 1])
  if type(id) == 'table' and id.err then
    return id -- only the first can fail: whether the server takes writes does not change within a script
  end
  i = i + 2
end
while i < #ARGV do
  redis.pcall('XACK', KEYS[tonumber(ARGV[i])], 'workers', ARGV[i + 1])
  redis.pcall('XDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
  i = i + 2
end
return 1
