-- Compare-and-set on a cursor, then apply a list of writes: all of them or none.
--
-- KEYS[1]  cursor             cm:{shop:0}:cursor:m
-- KEYS[2+] keys the writes name by their position, like cm:{shop:0}:r:10:1763636400:tq
-- ARGV[1]  the cursor as the caller read it, empty when there was none
-- ARGV[2]  the cursor's next value
-- ARGV[3+] writes, each: command, position of its key in KEYS, number of arguments, arguments
-- returns  1 when committed, 0 when somebody else has moved the cursor (nothing is changed)
--
-- The cursor is written first: a server that refuses writes for want of memory refuses the first one,
-- so it can never be refused between two writes. A commit that begins with UNLINK or XTRIM makes room: such a
-- write is never refused, nor are those that follow it in a script, so there the cursor is written last.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
local frees = ARGV[3] == 'UNLINK' or ARGV[3] == 'XTRIM'
if not frees then
  redis.call('SET', KEYS[1], ARGV[2])
end
local at = 3
while at <= #ARGV do
  local count = tonumber(ARGV[at + 2])
  redis.call(ARGV[at], KEYS[tonumber(ARGV[at + 1])], unpack(ARGV, at + 3, at + 2 + count))
  at = at + 3 + count
end
if frees then
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
