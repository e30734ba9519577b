--[[ abort: give up a flow that was begun and not committed, a part at a time.
-- with more.lua

ARGV  flow id, or "" for any that was begun more than an hour ago
Returns  how many jobs may be left of it: call again until 0
]]
local flow = ARGV[1]
if flow == '' then
  local all = call('HGETALL', P .. 'staging')
  for i = 1, #all, 2 do
    local begun = match(all[i + 1], '(%S+)$')
    if now - begun > 3600000 then flow = all[i] end
  end
end
if flow == '' or call('HEXISTS', P .. 'staging', flow) == 0 then return 0 end
local ids = call('ZREVRANGE', P .. 'fj:' .. flow, 0, 249)
load(ids)
for i = 1, #ids do
  if recs[ids[i]] then
    stop_repeat(ids[i], recs[ids[i]])
    forget(ids[i], recs[ids[i]], true)
  end
end
commit()
if #ids > 0 then call('ZREM', P .. 'fj:' .. flow, unpack(ids)) end
local left = call('ZCARD', P .. 'fj:' .. flow)
if left == 0 then
  call('DEL', P .. 'arm:' .. flow, P .. 'ext:' .. flow)
  -- Where nothing was submitted since, its submission numbers are given back: what is refused leaves no trace.
  local base, count = match(call('HGET', P .. 'staging', flow), '^(%S+) (%S+)')
  if tonumber(call('HGET', P .. 'meta', 'order')) == base + count then
    if base == '0' then
      call('HDEL', P .. 'meta', 'order')
    else
      call('HSET', P .. 'meta', 'order', base)
    end
  end
  call('HDEL', P .. 'staging', flow)
end
return left
