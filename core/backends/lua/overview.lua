--[[ overview: counts, position of the events, and workers of a queue, all at one moment.

Returns  seq, paused ("1" or not), now in ms, {count of b w d a c f k x e}, {worker, seen until, its JSON, ...}
]]
local hidden_w, hidden_b = 0, 0
if call('EXISTS', P .. 'staging') == 1 then
  local ranges = hidden()
  hidden_w, hidden_b = call('ZCARD', P .. 's:w'), call('ZCARD', P .. 's:b')
  for _, span in ipairs(visible_spans('w', ranges)) do hidden_w = hidden_w - call('ZCOUNT', P .. 's:w', span[1], span[2]) end
  for _, span in ipairs(visible_spans('b', ranges)) do hidden_b = hidden_b - call('ZCOUNT', P .. 's:b', span[1], span[2]) end
end
local counts = {}
for i = 1, #STATES do counts[i] = call('ZCARD', P .. 's:' .. STATES[i]) end
counts[1] = counts[1] - hidden_b
counts[2] = counts[2] - hidden_w + call('ZCARD', P .. 'park')
local workers = {}
local seen = call('ZRANGEBYSCORE', P .. 'seen', NOW, '+inf', 'WITHSCORES', 'LIMIT', 0, 500)
for i = 1, #seen, 2 do
  local about = call('HGET', P .. 'workers', seen[i])
  if about then -- else it was killed while it registered
    workers[#workers + 1] = seen[i]
    workers[#workers + 1] = seen[i + 1]
    workers[#workers + 1] = about
  end
end
return {call('HGET', P .. 'meta', 'seq') or '0', call('HGET', P .. 'meta', 'paused') or '0', NOW, counts, workers}
