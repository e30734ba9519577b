--[[ begin: a large flow is going to be written in parts that nobody sees before `commit`.

ARGV  flow id, digest, how many jobs, its priorities parted by commas
Returns  {"ok", submission number before its first job}, also when the same flow was begun before;
         {"same"} when it has been added, {"conflict"} when the id is taken by another flow
]]
local flow, digest, count, priorities = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local about = call('HGET', P .. 'about', flow)
if about then return {match(about, '^[^\n]*') == digest and 'same' or 'conflict'} end
local text = call('HGET', P .. 'staging', flow)
if text then
  local base, _, _, known = match(text, '^(%S+) (%S+) (%S+) (%S+)')
  if known ~= digest then return {'conflict'} end
  call('HSET', P .. 'staging', flow, base .. ' ' .. count .. ' ' .. priorities .. ' ' .. digest .. ' ' .. NOW)
  return {'ok', base}
end
local base = fmt('%.0f', call('HINCRBY', P .. 'meta', 'order', count) - count)
call('HSET', P .. 'staging', flow, base .. ' ' .. count .. ' ' .. priorities .. ' ' .. digest .. ' ' .. NOW)
return {'ok', base}
