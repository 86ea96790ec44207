-- Book attempts as LOST, if their agent is still as silent as the caller found it: all of it or nothing.
--
-- KEYS[1]  live table          cm:{shop:0}:live
-- KEYS[2]  attempts lost       cm:{shop:0}:lost
-- KEYS[3]  inbox of counters   cm:{shop:0}:m
-- KEYS[4]  inbox of rows       cm:{shop:0}:t
-- KEYS[5]  bytes of both       cm:{shop:0}:inboxbytes
-- ARGV[1]  boot of the agent (field of the live table), empty in a shard where it has no state
-- ARGV[2]  its state as the caller read it
-- ARGV[3]  its state without the attempts that are booked now
-- ARGV[4]  seconds until the table of lost attempts goes
-- ARGV[5]  bytes of the entry of counters
-- ARGV[6]  bytes of the entry of rows
-- ARGV[7]  number of (uid, note) pairs, then the pairs
-- ARGV[n]  number of arguments of the first XADD, those, then those of the second
-- returns  1 when booked, 0 when the agent has spoken meanwhile
if ARGV[1] ~= '' then
  if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
    return 0
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('HINCRBY', KEYS[5], 'm', ARGV[5])
redis.call('HINCRBY', KEYS[5], 't', ARGV[6])
local at = 8
for _ = 1, tonumber(ARGV[7]) do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  at = at + 2
end
redis.call('EXPIRE', KEYS[2], ARGV[4])
local count = tonumber(ARGV[at])
redis.call('XADD', KEYS[3], '*', unpack(ARGV, at + 1, at + count))
redis.call('XADD', KEYS[4], '*', unpack(ARGV, at + count + 1))
return 1
