-- Take a partition, if nobody else holds it now.
--
-- KEYS[1] lease (hash)
-- ARGV[1] nonce of the new owner   ARGV[2] ttl in ms   ARGV[3] what no lease lasts longer than, in ms
--
-- Returns {epoch, position in the inbox, position in the requests, tries}, or nil while another owner's lease runs. The
-- epoch rises with every call, and is at least Redis TIME in ms, so that it also rises when the hash was lost. What somebody else wrote into the hash is
-- data of any form: a number that is none counts as 0, and an `until` beyond every lease has run out.

local function number(text)
  if text and #text <= 15 and string.match(text, '^%d+$') then
    return tonumber(text)
  end
  return 0
end

local lease = redis.pcall('HMGET', KEYS[1], 'owner', 'until', 'epoch', 'position', 'requests', 'tries')
if lease.err then
  return lease
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, left = lease[1] or '', number(lease[2]) - now
if owner ~= '' and owner ~= ARGV[1] and left > 0 and left <= tonumber(ARGV[3]) then
  return false
end
local epoch = string.format('%.0f', math.max(number(lease[3]) + 1, now))
local position = string.match(lease[4] or '', '^%d+%-%d+$') or '0-0'
local requests = string.match(lease[5] or '', '^%d+%-%d+$') or '0-0'
local tries = string.match(lease[6] or '', '^%S+ %d+$') or ''
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]),
  'epoch', epoch, 'commit', '0', 'position', position, 'requests', requests, 'tries', tries)
return { epoch, position, requests, tostring(number(string.match(tries, ' (%d+)$'))) }
