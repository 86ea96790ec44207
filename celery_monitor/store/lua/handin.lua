-- Hand in a batch and an agent's live state, unless what waits to be folded has used up its bytes.
--
-- KEYS[1]  inbox of counters   cm:{shop:0}:m
-- KEYS[2]  inbox of rows       cm:{shop:0}:t
-- KEYS[3]  bytes of both       cm:{shop:0}:inboxbytes   (hash: m, t; the fold's commit takes off what it trims)
-- KEYS[4]  live table          cm:{shop:0}:live
-- KEYS[5]  pace                cm:{shop:0}:pace
-- ARGV[1]  boot (field of the live table), empty when no state is given
-- ARGV[2]  the state
-- ARGV[3]  most bytes of counters
-- ARGV[4]  bytes of the entry of counters
-- ARGV[5]  number of its XADD arguments, 0 for no entry
-- ARGV[6]  most bytes of rows
-- ARGV[7]  bytes of the entry of rows
-- ARGV[8]  number of its XADD arguments, 0 for no entry
-- ARGV[9+] the XADD arguments of the first, then of the second
-- returns  {1 unless the counters found no room, 1 unless the rows found no room, pace (absent when there is none)}
--
-- Without room for its counters nothing of a batch is added. An empty inbox takes an entry of any size.
local function held(at, kind)
  if redis.call('XLEN', KEYS[at]) == 0 then
    return 0
  end
  return math.max(0, tonumber(redis.call('HGET', KEYS[3], kind) or '0') or 0)
end

local function add(at, kind, most, from)
  local count, bytes = tonumber(ARGV[most + 2]), tonumber(ARGV[most + 1])
  if count == 0 then
    return 1
  end
  local before = held(at, kind)
  if before > 0 and before + bytes > tonumber(ARGV[most]) then
    return 0
  end
  redis.call('HSET', KEYS[3], kind, before + bytes)
  redis.call('XADD', KEYS[at], '*', unpack(ARGV, from, from + count - 1))
  return 1
end

local counters = add(1, 'm', 3, 9)
local rows = 0
if counters == 1 then
  rows = add(2, 't', 6, 9 + tonumber(ARGV[5]))
end
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[2])
end
return {counters, rows, redis.call('GET', KEYS[5])}
