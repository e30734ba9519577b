--[[ sweep: which of these fields belong to nothing any more?

ARGV  "1" to remove them, column (the name of a hash or sorted set, or "key" for keys by their names), then names
Returns  the names that belong to nothing; none while steps are pending that may be about them
]]
local repair, column = ARGV[1] == '1', ARGV[2]
if call('LLEN', P .. 'ops') > 0 then return {} end

local function job(name) return call('HEXISTS', P .. 'jobs', name) == 1 end
local function flow(name) return call('HEXISTS', P .. 'flow', name) == 1 or call('HEXISTS', P .. 'staging', name) == 1 end

local function owned(name)
  if column == 'key' then
    local kind, rest = match(name, '^(%l+):(.*)$')
    if kind == 's' then return find(rest, '^[bwdacfkxe]$') ~= nil end
    if kind == 'log' then return job(rest) end
    return (kind == 'fj' or kind == 'arm' or kind == 'ext') and flow(rest)
  elseif column == 'about' or column == 'flows' or column == 'opres' then
    return flow(name)
  elseif column == 'ended' then
    local kind, rest = match(name, '^(.):(.*)$')
    if kind == 'f' then return call('HEXISTS', P .. 'flow', rest) == 1 end
    local rec = kind == 'j' and get(rest)
    return rec and rec[FLOW] == '-' and ENDED[rec[ST]]
  elseif column == 'opc' then
    return false
  elseif column == 'workers' or column == 'wtasks' then
    return call('ZSCORE', P .. 'seen', name)
  elseif column == 'repeat' then
    return job(name) or call('ZSCORE', P .. 'repeats', name)
  elseif column == 'repeats' then
    return call('HEXISTS', P .. 'repeat', name) == 1
  elseif column == 'parked' then
    return call('ZSCORE', P .. 'park', name)
  end
  return job(match(name, '^[^:]*'))
end

local zset = column ~= 'key' and call('TYPE', P .. column).ok == 'zset'

-- It may have gone since the caller read its name.
local function there(name)
  if column == 'key' then return call('EXISTS', P .. name) == 1 end
  if zset then return call('ZSCORE', P .. column, name) end
  return call('HEXISTS', P .. column, name) == 1
end

local lone = {}
for i = 3, #ARGV do
  if there(ARGV[i]) and not owned(ARGV[i]) then lone[#lone + 1] = ARGV[i] end
end
if repair and #lone > 0 then
  if column == 'key' then
    for i = 1, #lone do call('DEL', P .. lone[i]) end
  else
    call(zset and 'ZREM' or 'HDEL', P .. column, unpack(lone))
  end
end
return lone
