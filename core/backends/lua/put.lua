--[[ put: new single jobs with nothing special about them. The shortest way, so it does without the shared parts.
-- alone

ARGV  for each job "id payload"; a payload is JSON on one line
Returns  1, or 0 when `add` must look closer: an id that is known, or wishes that wait for their job (see link.lua).
         Nothing is written then.
]]
local P, call, fmt, find, sub = KEYS[1], redis.call, string.format, string.find, string.sub
local count = #ARGV
local ids, payloads, seen = {}, {}, {}
for i = 1, count do
  local text = ARGV[i]
  local gap = find(text, ' ', 1, true)
  local id, payload = sub(text, 1, gap - 1), sub(text, gap + 1)
  if seen[id] then return 0 end
  seen[id] = true
  ids[i], payloads[2 * i - 1], payloads[2 * i] = id, id, payload
end
if call('EXISTS', P .. 'declared') == 1 then return 0 end
for _, known in ipairs(call('HMGET', P .. 'jobs', unpack(ids))) do
  if known then return 0 end
end
local clock = call('TIME')
local NOW = fmt('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local order = call('HINCRBY', P .. 'meta', 'order', count) - count
local records, scores, lines = {}, {}, {}
for i = 1, count do
  local id, at = ids[i], fmt('%.0f', order + i)
  records[2 * i - 1] = id
  records[2 * i] = 'w - - 0 0 0 0 0 - 0 0 - - ' .. at .. ' 5 S 0 3 0 0 ' .. NOW .. ' w'
  scores[2 * i - 1], scores[2 * i] = fmt('%.0f', 5 * 17592186044416 + order + i), id
  lines[i] = id .. ' -w- 0 - '
end
call('ZADD', P .. 's:w', unpack(scores))
call('HSET', P .. 'jobs', unpack(records))
call('HSET', P .. 'data', unpack(payloads))
local seq = call('HINCRBY', P .. 'meta', 'seq', count)
call('XADD', P .. 'ev', 'MINID', '~', fmt('%.0f', math.max(0, seq - 50000)), fmt('%.0f-0', seq),
  't', NOW, 'n', count, 'w', '-', 'e', table.concat(lines, '\n'))
if call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
return 1
