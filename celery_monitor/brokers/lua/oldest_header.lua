-- The `cm` header of the message that is served next from each list, without sending the messages themselves:
-- a body may have megabytes.
--
-- KEYS     lists of one broker database, as kombu writes them (newest at the head, oldest at the tail)
-- ARGV     none
-- Returns  one string per key; "" for an empty list or a message without the header
-- Example  KEYS = default, default\6\0223, default\6\0226, default\6\0229

-- The key with its quotes cannot occur inside a JSON string, where quotes are escaped.
local NEEDLE = '"cm": "'
local MOST = 400

local headers = {}
for i, key in ipairs(KEYS) do
  headers[i] = ''
  local message = redis.call('LINDEX', key, -1)
  if message then
    local _, last = string.find(message, NEEDLE, 1, true)
    if last then
      headers[i] = string.match(string.sub(message, last + 1, last + MOST), '^[^"\\]*') or ''
    end
  end
end
return headers
