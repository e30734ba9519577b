--[[ check: do these jobs agree with their indexes, their flow, their links and counters?
-- with more.lua

ARGV  "1" to repair, then ids (at most 100)
Returns  {id, what is wrong, detail, "1" if repaired, ...}, {for each job that holds back others: their names},
         highest submission number seen, how many jobs could not be checked whole because steps are pending,
         how many of the ids were looked at: the rest would have taken too long
A job's record is what is believed: indexes and counters are made to fit it.
]]
local repair = ARGV[1] == '1'
local found, held, highest, unsure = {}, {}, 0, 0
local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
load(ids)
local words = 20000 -- of links, that this call may still look through
local quiet = call('LLEN', P .. 'ops') == 0
local ranges = call('EXISTS', P .. 'staging') == 1 and hidden() or {}

local function say(id, what, detail, repaired)
  local n = #found
  found[n + 1], found[n + 2], found[n + 3], found[n + 4] = id, what, detail or '', repaired and '1' or '0'
end

local function words_of(column, id, count)
  local out = {}
  for page = 0, math.max(0, math.ceil(count / PAGE) - 1) do
    local text = call('HGET', P .. column, page == 0 and id or id .. ':' .. fmt('%.0f', page))
    for each in string.gmatch(text or '', '[^ ]+') do out[#out + 1] = each end
  end
  return out
end

local function right_score(rec)
  local state = rec[ST]
  if state == 'w' then return wait_score(rec) end
  if state == 'b' then return match(rec[TAIL], '^[^ ]+') end
  if state == 'd' then return NOW end
  if state == 'a' then return fmt('%.0f', now + 30000) end
  return rec[FIN]
end

local function check_index(id, rec)
  local state, there = rec[ST], false
  for i = 1, #STATES do
    local each = STATES[i]
    if call('ZSCORE', P .. 's:' .. each, id) then
      if each == state then
        there = true
      else
        if repair then call('ZREM', P .. 's:' .. each, id) end
        say(id, 'index', state .. each, repair)
      end
    end
  end
  if call('ZSCORE', P .. 'park', id) then
    if state == 'w' and not there then
      there = true
    else
      if repair then
        call('ZREM', P .. 'park', id)
        call('HDEL', P .. 'parked', id)
      end
      say(id, 'index', state .. 'p', repair)
    end
  end
  if not there then
    if repair then call('ZADD', P .. 's:' .. state, right_score(rec), id) end
    say(id, 'unindexed', state, repair)
  end
end

local function check_flow(id, rec)
  local flow = rec[FLOW]
  if flow == '-' then
    if ENDED[rec[ST]] and not call('ZSCORE', P .. 'ended', 'j:' .. id) then
      if repair then call('ZADD', P .. 'ended', rec[FIN], 'j:' .. id) end
      say(id, 'unended', '', repair)
    end
  elseif not call('ZSCORE', P .. 'fj:' .. flow, id) then
    if repair then call('ZADD', P .. 'fj:' .. flow, match(rec[TAIL], '^[^ ]+'), id) end
    say(id, 'unlisted', flow, repair)
  end
end

-- What its upstreams' states say its counters must be; nil where that cannot be said now.
local function recount(id, ups)
  local pending, bad, first_bad = 0, 0, nil
  load(ups)
  for i = 1, #ups do
    local above = recs[ups[i]]
    if call('HEXISTS', P .. 'opc', ups[i]) == 1 then return nil end
    if not above then return nil, ups[i] end
    if not ENDED[above[ST]] then
      pending = pending + 1
    elseif above[ST] ~= 'c' then
      bad = bad + 1
      first_bad = first_bad or ups[i]
    end
    words = words - 1
    if #ups <= 40 * PAGE and tonumber(above[NDN]) <= PAGE then
      words = words - above[NDN]
      local below = ' ' .. (call('HGET', P .. 'down', ups[i]) or '') .. ' '
      if not find(below, ' ' .. id .. ' ', 1, true) then
        if repair then link_below(ups[i], above, id) end
        say(id, 'unlinked', ups[i], repair)
      end
    end
  end
  return pending, nil, bad, first_bad
end

local function check_counters(id, rec)
  local _, _, _, count = tail(rec)
  local ups = count > 0 and words_of('up', id, count) or {}
  if #ups ~= count then return say(id, 'ups', count .. ' ' .. #ups, false) end
  local pending, gone, bad, first_bad = recount(id, ups)
  if gone and not ENDED[rec[ST]] then return say(id, 'upgone', gone, false) end
  if not pending then
    if not gone then unsure = unsure + 1 end
    return
  end
  if tonumber(rec[PEND]) ~= pending or tonumber(rec[BAD]) ~= bad then
    say(id, 'counters', rec[PEND] .. ' ' .. rec[BAD] .. ' ' .. pending .. ' ' .. bad, repair)
    if not repair then return end
    rec[PEND], rec[BAD] = fmt('%.0f', pending), fmt('%.0f', bad)
    dirty[id] = true
  end
  local state, says = rec[ST], verdict(rec)
  local early = (state == 'w' or state == 'd' and rec[ATT] == '0') and says ~= 'go'
  if early or state == 'b' and says or state == 'k' and says ~= 'skip' then
    say(id, early and 'early' or 'stuck', state .. ' ' .. (says or 'wait'), repair)
    if repair then
      reconsider(id, rec, first_bad and {first_bad, recs[first_bad][ST]} or nil)
    end
  end
end

-- A page of a long list that is gone: whom its ids named cannot be known from here.
local function check_pages(id, rec)
  for page = 0, math.ceil(rec[NDN] / PAGE) - 1 do
    if call('HSTRLEN', P .. 'down', page == 0 and id or id .. ':' .. fmt('%.0f', page)) == 0 then
      say(id, 'page', fmt('%.0f', page), false)
    end
  end
end

local function check(id, rec)
  highest = math.max(highest, tonumber(match(rec[TAIL], '^[^ ]+')))
  check_index(id, rec)
  if rec[ST] == 'a' and rec[TOK] == '-' then
    say(id, 'leaseless', rec[WRK], repair)
    if repair then again(id, rec, 'it had no lease') end
  end
  if is_hidden(rec, ranges) then return end
  check_flow(id, rec)
  if flagged(rec, 'P') then
    if flagged(rec, 'H') == nil ~= (ENDED[rec[ST]] == true) then
      say(id, 'hold', '', repair)
      if repair then flag(id, rec, 'H', not ENDED[rec[ST]]) end
    end
    if not ENDED[rec[ST]] then held[#held + 1] = call('HGET', P .. 'up', id .. ':pins') or '' end
  end
  if not ENDED[rec[ST]] and call('HEXISTS', P .. 'data', id) == 0 then
    local open = rec[ST] ~= 'a'
    say(id, 'payload', '', repair and open)
    if repair and open then
      later(put, 'error', id, '{"type":"PayloadLost","message":"the payload of this job was lost by the store"}')
      flag(id, rec, 'E', true)
      finish(id, rec, 'f', 'PayloadLost: the payload of this job was lost by the store')
      return
    end
  end
  if tonumber(rec[NDN]) > PAGE then check_pages(id, rec) end
  if quiet then check_counters(id, rec) else unsure = unsure + 1 end
end

local done = 0
for i = 1, #ids do
  if i > 1 and words < 0 then break end
  done = i
  local rec = recs[ids[i]]
  if rec and not (rec[TAIL] and match(rec[TAIL], TAILSHAPE)) then
    say(ids[i], 'record', '', false)
  elseif rec then
    check(ids[i], rec)
  end
end
if repair then
  if #work > 0 then follow() end
  commit()
end
return {found, held, fmt('%.0f', highest), unsure, done}
