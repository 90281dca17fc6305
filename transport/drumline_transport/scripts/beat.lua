-- Say that a member is here, stamped with Redis TIME: "<ms> <info>".
--
-- KEYS[1] workers or coordinators (hash)
-- ARGV[1] name   ARGV[2] info

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
return 1
