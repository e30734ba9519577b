--[[ steerflow: what operators do to a whole flow, as a durable step that `turn` works off in bounded parts.

ARGV  verb (cancel, retry, remove), flow id, mode of a retry (failed, downstream, all)
Returns  {"ok", flow record}, {"not found"}, {"running", flow record}, {"needed"}
]]
local verb, flow, mode = ARGV[1], ARGV[2], ARGV[3]
local text = call('HGET', P .. 'flow', flow)
if not text then return {'not found'} end
local state, _, _, _, by = flow_counts(text)
local size = call('ZCARD', P .. 'fj:' .. flow)
call('HDEL', P .. 'opres', flow)
if verb == 'cancel' then
  queue_op(nil, 'C ' .. flow .. ' ' .. size)
elseif verb == 'retry' then
  if mode ~= 'failed' and by.a > 0 then return {'running', text} end
  queue_op(nil, 'Y ' .. flow .. ' ' .. mode .. ' 0')
else
  if state == 'running' then return {'running', text} end
  if call('HEXISTS', P .. 'pins', 'f:' .. flow) == 1 then return {'needed'} end
  call('ZREM', P .. 'flows', flow)
  call('ZREM', P .. 'ended', 'f:' .. flow)
  queue_op(nil, 'D ' .. flow .. ' ' .. size)
end
if call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
return {'ok', text}
