-- Give a lease back, unless it has run out and somebody else holds it.
--
-- KEYS[1]  lease   cm:{shop:0}:lease
-- ARGV[1]  the token the lease was taken with
-- returns  1 when given back, 0 when it was not ours any more
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
