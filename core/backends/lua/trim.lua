--[[ trim: remove what ended long ago, or beyond what is to be kept, whole flows at a time.
-- with more.lua

ARGV  keep at most (count of ended flows and single jobs, -1 for any), ended before (ms, -1 for any),
      state to remove ("" for any: a job's letter, or completed, failed, cancelled for flows), most jobs to remove
Returns  {how many jobs were removed, 1 if there is more to do}
Flows are removed by a durable step; their jobs count at once.
]]
local keep, before, only, most = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local over = keep >= 0 and call('ZCARD', P .. 'ended') - keep or math.huge
local names = call('ZRANGEBYSCORE', P .. 'ended', '-inf', before >= 0 and fmt('(%.0f', before) or '+inf',
  'LIMIT', ARGV[5] and tonumber(ARGV[5]) or 0, 250)
local removed, passed = 0, 0
for i = 1, #names do
  if over <= 0 or removed >= most then break end
  local kind, id = sub(names[i], 1, 1), sub(names[i], 3)
  if call('HEXISTS', P .. 'pins', names[i]) == 1 then
    passed = passed + 1
  elseif kind == 'j' then
    local rec = get(id)
    if rec and only ~= '' and rec[ST] ~= only then
      passed = passed + 1
    elseif rec then
      forget(id, rec)
      removed, over = removed + 1, over - 1
    else
      later(leave, 'ended', names[i])
    end
  else
    local text = call('HGET', P .. 'flow', id)
    local state = text and match(text, '^%S+')
    if not text then
      later(leave, 'ended', names[i])
    elseif only ~= '' and only ~= ({completed = 'c', failed = 'f', cancelled = 'x'})[state] then
      passed = passed + 1
    else
      local size = call('ZCARD', P .. 'fj:' .. id)
      later(leave, 'ended', names[i])
      later(leave, 'flows', id)
      queue_op('D ' .. id .. ' ' .. size .. ' q')
      removed, over = removed + size, over - 1
    end
  end
end
follow()
commit()
return {removed, (#names == 250 and over > 0 and removed < most) and 1 or 0, passed}
