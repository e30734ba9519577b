--[[ steerflow: what operators do to a whole flow, as a durable step that `turn` works off in bounded parts.

ARGV  verb (cancel, retry, remove), flow id, mode of a retry (failed, downstream, all)
Returns  {"ok", flow record}, {"not found"}, {"running", flow record}, {"needed"}, {"touches", active job, upstream}
]]
local verb, flow, mode = ARGV[1], ARGV[2], ARGV[3]
budget = STEP -- to look around, nothing is followed here

-- An active job of the flow that is downstream of one that did not complete, and that one. Without a finding the
-- budget says whether all was looked at.
local function touched()
  local active = call('ZRANGE', P .. 's:a', 0, STEP)
  budget = budget - #active
  load(active)
  local todo, seen = {}, {}
  for i = 1, #active do
    local rec = recs[active[i]]
    if rec and rec[FLOW] == flow then todo[#todo + 1] = {active[i], active[i]} end
  end
  while #todo > 0 and budget > 0 do
    local id, below = unpack(table.remove(todo))
    local _, _, _, count = tail(recs[id])
    for page = 0, math.ceil(count / PAGE) - 1 do
      local ups = {}
      for up in string.gmatch(call('HGET', P .. 'up', page == 0 and id or id .. ':' .. page) or '', '[^ ]+') do
        if not seen[up] then ups[#ups + 1] = up end
        seen[up] = true
      end
      load(ups)
      budget = budget - #ups
      for i = 1, #ups do
        local above = recs[ups[i]]
        if above and above[FLOW] == flow then
          if above[ST] == 'f' or above[ST] == 'x' or above[ST] == 'e' then return below, ups[i] end
          todo[#todo + 1] = {ups[i], below}
        end
      end
      if budget <= 0 then return end
    end
  end
end

local text = call('HGET', P .. 'flow', flow)
if not text then return {'not found'} end
local state, _, _, _, by = flow_counts(text)
local size = call('ZCARD', P .. 'fj:' .. flow)
call('HDEL', P .. 'opres', flow)
if verb == 'cancel' then
  queue_op('C ' .. flow .. ' ' .. size)
elseif verb == 'retry' then
  if mode == 'all' and by.a > 0 then return {'running', text} end
  if mode == 'downstream' and by.a > 0 then
    local id, above = touched()
    if id then return {'touches', id, above} end
    if budget <= 0 then return {'running', text} end
  end
  queue_op('Y ' .. flow .. ' ' .. mode .. ' 0')
else
  if state == 'running' then return {'running', text} end
  if call('HEXISTS', P .. 'pins', 'f:' .. flow) == 1 then return {'needed'} end
  call('ZREM', P .. 'flows', flow)
  call('ZREM', P .. 'ended', 'f:' .. flow)
  queue_op('D ' .. flow .. ' ' .. size)
end
if call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
return {'ok', text}
