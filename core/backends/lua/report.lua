--[[ report: what running jobs say: progress and log lines.

ARGV  how many log lines are kept, then for each job: id, token, progress ("" or "fraction note"), how many lines,
      then each line as "at level text"
Returns  ids whose lease is lost
]]
local keep = tonumber(ARGV[1])
local lost, i = {}, 2
while i <= #ARGV do
  local id, token, progress, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local rec = get(id)
  if not rec or rec[TOK] ~= token then
    lost[#lost + 1] = id
  else
    if progress ~= '' then call('HSET', P .. 'prog', id, progress) end
    if count > 0 then
      local n = call('HINCRBY', P .. 'logn', id, count) - count
      local out = {}
      for k = 1, count do out[k] = fmt('%.0f', n + k - 1) .. ' ' .. ARGV[i + 3 + k] end
      for k = 1, count, STEP do call('RPUSH', P .. 'log:' .. id, unpack(out, k, math.min(k + STEP - 1, count))) end
      call('LTRIM', P .. 'log:' .. id, -keep, -1)
    end
  end
  i = i + 4 + count
end
return lost
