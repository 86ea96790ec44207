-- Take a lease unless somebody holds it, and tell the time of the server that decides it.
--
-- KEYS[1]  lease   cm:{shop:0}:lease
-- ARGV[1]  the token to hold it with
-- ARGV[2]  milliseconds after which it runs out
-- returns  {1 when taken, seconds, microseconds}
local time = redis.call('TIME')
local taken = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return {taken and 1 or 0, time[1], time[2]}
