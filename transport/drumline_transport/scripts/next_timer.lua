-- Redis TIME, and when the first timer whose time has not come yet is due.
--
-- KEYS[1] timers (zset, scored by due ms)

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {now, found[2] or ''}
