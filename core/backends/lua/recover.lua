--[[ recover: hand back jobs that were given out in an answer that never arrived.

ARGV  worker, where to go on in the list of active jobs, then the tokens of the lost answers
Returns  {where to go on or -1, how many were handed back}
]]
local worker, from = ARGV[1], tonumber(ARGV[2])
local tokens = {}
for i = 3, #ARGV do tokens[ARGV[i]] = true end
local ids = call('ZRANGE', P .. 's:a', from, from + STEP - 1)
load(ids)
local back = 0
for i = 1, #ids do
  local rec = recs[ids[i]]
  if rec and rec[WRK] == worker and tokens[rec[TOK]] then
    rec[ATT] = fmt('%.0f', rec[ATT] - 1)
    again(ids[i], rec, 'handed back', 'w')
    back = back + 1
  end
end
follow()
commit(worker)
return {#ids == STEP and from + STEP - back or -1, back}
