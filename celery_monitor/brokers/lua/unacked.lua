-- How many delivered, unacknowledged messages there are per exchange and routing key.
--
-- KEYS[1]  kombu's hash of unacknowledged messages, all queues of the database together: tag -> [message, exchange, key]
-- ARGV[1]  most entries to look at: each is copied once, in the server's only thread
-- Returns  {1, exchange, routing key, n, ...}, or {0} when there are more entries than that
-- Example  KEYS = unacked

if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[1]) then
  return {0}
end

-- The two names are the end of the JSON list; the message before them may have megabytes.
local TAIL = 600

local counts, order = {}, {}
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do
  local exchange, key = string.match(string.sub(entry, -TAIL), ', "([^"]*)", "([^"]*)"%]$')
  if exchange then
    local both = exchange .. '\n' .. key
    if not counts[both] then
      counts[both] = 0
      order[#order + 1] = {both, exchange, key}
    end
    counts[both] = counts[both] + 1
  end
end

local reply = {1}
for _, row in ipairs(order) do
  reply[#reply + 1] = row[2]
  reply[#reply + 1] = row[3]
  reply[#reply + 1] = counts[row[1]]
end
return reply
