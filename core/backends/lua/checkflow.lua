--[[ checkflow: does a flow's record agree with its jobs? A large flow is counted over several calls.

ARGV  "1" to repair, flow id, place to go on from, events so far as the first call said (or ""), counts so far
Returns  {"more", events so far, counts} to go on, {"busy"} when the queue moved meanwhile or steps are pending,
         else {"done", what is wrong, detail, "1" if repaired, ...}
]]
local repair, flow, from, expected = ARGV[1] == '1', ARGV[2], tonumber(ARGV[3]), ARGV[4]
local seq = call('HGET', P .. 'meta', 'seq') or '0'
if call('LLEN', P .. 'ops') > 0 or (expected ~= '' and expected ~= seq) then return {'busy'} end
if call('HEXISTS', P .. 'staging', flow) == 1 then return {'done'} end
local found = {'done'}

local function say(what, detail, repaired)
  local n = #found
  found[n + 1], found[n + 2], found[n + 3] = what, detail or '', repaired and '1' or '0'
end

local counts, i = {}, 0
for each in string.gmatch(ARGV[5], '%S+') do
  i = i + 1
  counts[STATES[i]] = tonumber(each)
end
local MOST = 4 * STEP
local ids = call('ZRANGE', P .. 'fj:' .. flow, from, from + MOST - 1)
for first = 1, #ids, STEP do
  local last = math.min(first + STEP - 1, #ids)
  local texts = call('HMGET', P .. 'jobs', unpack(ids, first, last))
  for k = first, last do
    local text = texts[k - first + 1]
    local state = text and sub(text, 1, 1)
    if state then
      counts[state] = (counts[state] or 0) + 1
    else
      if repair then call('ZREM', P .. 'fj:' .. flow, ids[k]) end
      say('fewer', ids[k], repair)
    end
  end
end
if from == 0 and #ids == 0 and call('HEXISTS', P .. 'flow', flow) == 0 then return {'done'} end -- gone meanwhile
local right = {}
for k = 1, #STATES do right[k] = fmt('%.0f', counts[STATES[k]] or 0) end
right = concat(right, ' ')
if #ids == MOST and #found == 1 then return {'more', seq, right} end

local text = call('HGET', P .. 'flow', flow)
local open = (counts.b or 0) + (counts.w or 0) + (counts.d or 0) + (counts.a or 0) > 0
local must = open and 'running' or ((counts.f or 0) + (counts.e or 0) > 0) and 'failed' or
  ((counts.x or 0) > 0 and 'cancelled' or 'completed')
local state, created, started, finished, shown
if text then
  state, created, started, finished, shown = match(text, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
end
if not state then
  created, started, finished = NOW, '0', open and '0' or NOW
  say(text and 'unreadable' or 'recordless', '', repair)
elseif shown ~= right then
  say('counts', shown .. '\n' .. right, repair)
elseif state ~= must then
  say('state', state .. ' ' .. must, repair)
end
if #found > 1 and repair then
  if open then finished = '0' elseif finished == '0' then finished = NOW end
  call('HSET', P .. 'flow', flow, concat({must, created, started, finished, right}, ' '))
end
if call('HEXISTS', P .. 'about', flow) == 0 then
  if repair then call('HSET', P .. 'about', flow, '-\n' .. sub(flow, 1, 8)) end
  say('nameless', '', repair)
end
if not call('ZSCORE', P .. 'flows', flow) then
  if repair then call('ZADD', P .. 'flows', created, flow) end
  say('unlisted', '', repair)
end
local ended = call('ZSCORE', P .. 'ended', 'f:' .. flow)
if (not open) ~= (not not ended) then
  if repair and open then
    call('ZREM', P .. 'ended', 'f:' .. flow)
  elseif repair then
    call('ZADD', P .. 'ended', finished, 'f:' .. flow)
  end
  say('ended', open and 'open' or 'ended', repair)
end
return found
