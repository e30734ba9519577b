--[[ commit: a large flow that has been written becomes visible, all of it at once.

ARGV  flow id, digest, name, how many jobs, how many of them are waiting
Returns  {"ok"}, {"same"}, {"conflict"}, {"gone"}, {"short", how many jobs were found}
]]
local flow, digest, name, count, waiting = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local about = call('HGET', P .. 'about', flow)
if about then return {match(about, '^[^\n]*') == digest and 'same' or 'conflict'} end
if call('HEXISTS', P .. 'staging', flow) == 0 then return {'gone'} end
local found = call('ZCARD', P .. 'fj:' .. flow)
if found ~= count then return {'short', found} end
call('HDEL', P .. 'staging', flow)
call('HSET', P .. 'flow', flow, flow_text('running', NOW, '0', '0', {b = count - waiting, w = waiting}))
call('HSET', P .. 'about', flow, digest .. '\n' .. name)
call('ZADD', P .. 'flows', NOW, flow)
if call('EXISTS', P .. 'arm:' .. flow) == 1 then queue_op('A ' .. flow) end
if call('EXISTS', P .. 'ext:' .. flow) == 1 then queue_op('X ' .. flow) end
publish(count, 'F', flow)
woken = true
commit()
return {'ok'}
