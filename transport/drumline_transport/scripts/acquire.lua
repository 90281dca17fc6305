-- Take a partition, if nobody else holds it now.
--
-- KEYS[1] lease (hash)
-- ARGV[1] nonce of the new owner   ARGV[2] ttl in ms
--
-- Returns {epoch, position in the inbox, position in the requests, tries}, or nil while another owner's lease runs. The epoch rises with every call, and is
-- at least Redis TIME in ms, so that it also rises when the hash was lost.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'owner', 'until', 'epoch', 'position', 'requests', 'tries')
local owner = lease[1] or ''
if owner ~= '' and owner ~= ARGV[1] and tonumber(lease[2] or '0') > now then
  return false
end
local epoch = string.format('%.0f', math.max((tonumber(lease[3] or '0')) + 1, now))
local position, requests, tries = lease[4] or '0-0', lease[5] or '0-0', lease[6] or ''
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]),
  'epoch', epoch, 'commit', '0', 'position', position, 'requests', requests, 'tries', tries)
return { epoch, position, requests, string.match(tries, ' (%d+)$') or '0' }
