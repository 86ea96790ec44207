-- The `cm` header, the id and the task of the message that is served next from each list, without sending the messages
-- themselves: a body may have megabytes.
--
-- KEYS     lists of one broker database, as kombu writes them (newest at the head, oldest at the tail)
-- ARGV     none
-- Returns  three strings per key: header, id, task; "" for an empty list and for what a message does not have
-- Example  KEYS = default, default\6\0223, default\6\0226, default\6\0229

-- A key with its quotes cannot occur inside a JSON string, where quotes are escaped.
local MOST = 400

local function text_behind(message, needle, from)
  local _, last = string.find(message, needle, from, true)
  return last and string.match(string.sub(message, last + 1, last + MOST), '^[^"\\]*') or ''
end

local found = {}
for _, key in ipairs(KEYS) do
  local message = redis.call('LINDEX', key, -1) or ''
  local headers = string.find(message, '"headers": {', 1, true) or 1
  found[#found + 1] = text_behind(message, '"cm": "', 1)
  found[#found + 1] = text_behind(message, '"id": "', headers)
  found[#found + 1] = text_behind(message, '"task": "', headers)
end
return found
