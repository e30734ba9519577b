--[[ steer: what operators do to single jobs.
-- with more.lua

ARGV  verb (cancel, retry, promote, remove), then ids (at most 500)
Returns  for each id what really happened: a word or sentence, or "busy" when steps for it are still pending: try again.
         What a retry would only skip again stays as it is; the answer names the upstream.
]]
local verb = ARGV[1]
local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
load(ids)
local ranges = call('EXISTS', P .. 'staging') == 1 and hidden() or {}
local NAMES = {b = 'blocked', w = 'waiting', d = 'delayed', a = 'active', c = 'completed', f = 'failed', k = 'skipped',
  x = 'cancelled', e = 'expired'}

local began = {}            -- id -> its state when this call began

local function needed(id, rec)
  if rec[FLOW] ~= '-' then return rec[FLOW] end
  for page = 0, math.ceil(rec[NDN] / PAGE) - 1 do
    local text = call('HGET', P .. 'down', page == 0 and id or id .. ':' .. fmt('%.0f', page))
    for below in string.gmatch(text or '', '[^ ]+') do
      local other = get(below)
      -- Below what has not ended, also what has ended waits for it, should it be retried.
      if other and not (ENDED[other[ST]] and ENDED[rec[ST]]) then return below end
    end
  end
  if call('HEXISTS', P .. 'pins', 'j:' .. id) == 1 then return 'an open flow' end
end

local function act(id, rec)
  local state = rec[ST]
  if verb == 'cancel' then
    if ENDED[state] then return 'already ' .. NAMES[state] end
    cancel(id, rec)
    return state == 'a' and 'cancelling' or 'cancelled'
  elseif verb == 'retry' then
    if not ENDED[began[id]] then return 'already ' .. NAMES[began[id]] end
    if not ENDED[state] then return 'retried' end -- together with one above it
    if still_spreads() then return 'busy' end
    local why = barred(id, rec)
    if why then return why end
    reset(id, rec, 'U', 'retry')
    follow()
    return 'retried'
  elseif verb == 'promote' then
    if state ~= 'd' then return 'not delayed' end
    again(id, rec, 'promoted')
    return 'promoted'
  else
    if state == 'a' then return 'running' end
    local by = needed(id, rec)
    if by then return 'needed by ' .. by end
    stop_repeat(id, rec)
    forget(id, rec)
    return 'removed'
  end
end

local places = {}
for i = 1, #ids do
  places[i] = i
  began[ids[i]] = recs[ids[i]] and recs[ids[i]][ST]
end
if verb == 'retry' then
  -- Upstream first: what runs again only together with its upstream must find that one reset.
  local function order(i) return recs[ids[i]] and tonumber(match(recs[ids[i]][TAIL], '^[^ ]+')) or 0 end
  table.sort(places, function(x, y) return order(x) < order(y) end)
end
local answer = {}
for _, i in ipairs(places) do
  local rec = recs[ids[i]]
  answer[i] = (rec and not is_hidden(rec, ranges)) and act(ids[i], rec) or 'not found'
end
follow()
commit()
return answer
