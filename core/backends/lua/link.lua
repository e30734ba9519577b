--[[ link: make a job wait for others; before it is added the wish is remembered.
-- with more.lua

ARGV  id, then ids of its upstreams
Returns  {"ok"}, {"unknown", upstream}, {"started"}, {"flow", flow id} (flows do not change),
         {"cycle", upstream}, {"busy"} when what became of an upstream still spreads: pump, and try again
]]
local id = ARGV[1]
local ups = {}
for i = 2, #ARGV do ups[#ups + 1] = ARGV[i] end
load(ups)
for i = 1, #ups do
  if not recs[ups[i]] then return {'unknown', ups[i]} end
end
local rec = get(id)
if not rec then
  local known = call('HGET', P .. 'declared', id)
  call('HSET', P .. 'declared', id, known and known .. ' ' .. concat(ups, ' ') or concat(ups, ' '))
  return {'ok'}
end
if spreading(ups) then return {'busy'} end
local order, priority, trigger, count, stalls, delay, ttl, created, initial = tail(rec)
local known = {}
for page = 0, math.ceil(count / PAGE) do
  for up in string.gmatch(call('HGET', P .. 'up', page == 0 and id or id .. ':' .. page) or '', '[^ ]+') do known[up] = true end
end
local new = {}
for i = 1, #ups do
  if not known[ups[i]] then new[#new + 1] = ups[i] end
end
if #new == 0 then return {'ok'} end
if rec[FLOW] ~= '-' then return {'flow', rec[FLOW]} end
if ENDED[rec[ST]] or rec[ST] == 'a' or rec[ATT] ~= '0' then return {'started'} end
-- Would one of them wait for this job? Walk down from it.
local wanted, seen, todo = {}, {[id] = true}, {id}
for i = 1, #new do wanted[new[i]] = true end
while #todo > 0 do
  local each = table.remove(todo)
  if wanted[each] then return {'cycle', each} end
  local above = get(each)
  for page = 0, above and math.ceil(above[NDN] / PAGE) - 1 or -1 do
    for below in string.gmatch(call('HGET', P .. 'down', page == 0 and each or each .. ':' .. page) or '', '[^ ]+') do
      if not seen[below] then
        seen[below] = true
        todo[#todo + 1] = below
      end
    end
  end
end
local names = {}
for i = 1, #new do
  local above = recs[new[i]]
  link_below(new[i], above, id)
  if not ENDED[above[ST]] then
    rec[PEND] = fmt('%.0f', rec[PEND] + 1)
  elseif above[ST] ~= 'c' then
    rec[BAD] = fmt('%.0f', rec[BAD] + 1)
  end
  names[#names + 1] = owner(new[i], above)
  local at = count + i - 1
  local field = at < PAGE and id or id .. ':' .. fmt('%.0f', math.floor(at / PAGE))
  local text = call('HGET', P .. 'up', field)
  call('HSET', P .. 'up', field, text and text .. ' ' .. new[i] or new[i])
end
pin(id, rec, false)
local held = call('HGET', P .. 'up', id .. ':pins')
call('HSET', P .. 'up', id .. ':pins', (held and held .. ' ' or '') .. pin_names(names))
flag(id, rec, 'P', true)
unpins[#unpins + 1] = id
rec[TAIL] = concat({order, priority, trigger, fmt('%.0f', count + #new), fmt('%.0f', stalls), fmt('%.0f', delay), fmt('%.0f', ttl), created, initial}, ' ')
dirty[id] = true
reconsider(id, rec, {new[1], recs[new[1]][ST]})
follow()
commit()
return {'ok'}
