-- Which of these task entries nobody will ever run: gone from the stream, or delivered and held by nobody.
--
-- KEYS[1]  task stream
-- ARGV     entry ids; their number is bounded by the caller
--
-- Returns {{id, 'gone' or 'stranded'}, ...}. An error reply when the key is of another type. An entry of a stream
-- without its consumer group is not stranded: a new group begins at the first entry.

local function parts(id)
  local ms, seq = string.match(id or '', '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

-- The last entry that the group has delivered.
local last_ms, last_seq
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if not groups.err then
  for _, group in ipairs(groups) do
    local found = {}
    for i = 1, #group, 2 do
      found[group[i]] = group[i + 1]
    end
    if found['name'] == 'workers' then
      last_ms, last_seq = parts(found['last-delivered-id'])
    end
  end
end

local missing = {}
for _, id in ipairs(ARGV) do
  local entry = redis.pcall('XRANGE', KEYS[1], id, id)
  if entry.err then
    return entry
  end
  if not entry[1] then
    missing[#missing + 1] = { id, 'gone' }
  elseif last_ms then
    local ms, seq = parts(id)
    if ms < last_ms or (ms == last_ms and seq <= last_seq) then
      local pending = redis.pcall('XPENDING', KEYS[1], 'workers', id, id, 1)
      if not pending.err and not pending[1] then
        missing[#missing + 1] = { id, 'stranded' }
      end
    end
  end
end
return missing
