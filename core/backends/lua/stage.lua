--[[ stage: write a part of a large flow. Sending a part again changes nothing.
-- with more.lua

ARGV  flow id, how many jobs, then for each job ten lines:
      id, its place in the flow (1 ...), "trigger priority max_stalls delay ttl" (ms), how many upstreams, how many below
      it, first page of upstream ids, first page of ids below, ids of upstreams of earlier flows, "every payload" (ms)
      for what repeats or nothing, payload; then for each further page three lines: "up" or "down", "id:page", ids
Returns  {"ok"}, {"gone"} (not begun, or given up), {"duplicate", id}, {"unknown", id, upstream}
]]
local flow, count = ARGV[1], tonumber(ARGV[2])
local ID, PLACE, SPEC, UPS, DOWNS, ABOVE, BELOW, OUTSIDE, REPEAT, PAYLOAD = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local LINES = '^' .. string.rep('([^\n]*)\n', 9) .. '(.*)$'
local text = call('HGET', P .. 'staging', flow)
if not text then return {'gone'} end
local base = tonumber(match(text, '^%S+'))

local jobs, ids, outside = {}, {}, {}
for i = 1, count do
  local job = {match(ARGV[2 + i], LINES)}
  jobs[i], ids[i] = job, job[ID]
  if job[OUTSIDE] ~= '' then
    for up in string.gmatch(job[OUTSIDE], '[^ ]+') do outside[#outside + 1] = up end
  end
end
load(ids)
load(outside)
local ranges = #outside > 0 and hidden() or {}
for i = 1, count do
  local known = recs[ids[i]]
  if known and known[FLOW] ~= flow then return {'duplicate', ids[i]} end
  if jobs[i][OUTSIDE] ~= '' then
    for up in string.gmatch(jobs[i][OUTSIDE], '[^ ]+') do
      if not recs[up] or is_hidden(recs[up], ranges) then return {'unknown', ids[i], up} end
    end
  end
end

-- Most jobs wait for nothing but others of their flow, and there may be very many: what the general way below does for
-- them, straight to the texts.
local texts, waiting, blocked, members, payloads, above, below = {}, {}, {}, {}, {}, {}, {}
local specs, n = {}, 0

local function plain(job, id, order)
  local spec, ups = job[SPEC], job[UPS]
  local about = specs[spec]
  if about == nil then
    local trigger, priority, stalls, delay, ttl = match(spec, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    about = delay == '0' and ttl == '0' and
      {' ' .. priority .. ' ' .. trigger .. ' ', ' ' .. stalls .. ' 0 0 ' .. NOW .. ' ', priority * 17592186044416}
    specs[spec] = about
  end
  if not about or job[REPEAT] ~= '' or job[OUTSIDE] ~= '' then return false end
  local state, index, score = 'b', blocked, order
  if ups == '0' then state, index, score = 'w', waiting, fmt('%.0f', about[3] + order) end
  local at = #index
  index[at + 1], index[at + 2] = score, id
  texts[n + 1] = id
  texts[n + 2] = state .. ' - - 0 0 ' .. ups .. ' 0 ' .. job[DOWNS] .. ' - 0 0 - ' .. flow .. ' ' .. order .. about[1] .. ups .. about[2] .. state
  members[n + 1], members[n + 2] = order, id
  payloads[n + 1], payloads[n + 2] = id, job[PAYLOAD]
  n = n + 2
  if job[ABOVE] ~= '' then
    at = #above
    above[at + 1], above[at + 2] = id, job[ABOVE]
  end
  if job[BELOW] ~= '' then
    at = #below
    below[at + 1], below[at + 2] = id, job[BELOW]
  end
  return true
end

for i = 1, count do
  local job, id = jobs[i], ids[i]
  local order = fmt('%.0f', base + job[PLACE])
  if not recs[id] and not plain(job, id, order) then
    local ups, downs, spec = job[UPS], job[DOWNS], job[SPEC]
    local flags = (job[REPEAT] ~= '' and 'R' or '') .. (job[OUTSIDE] ~= '' and 'P' or '')
    local rec = newborn(flow, order, spec, ups, ups, '0', downs, flags, 'w')
    local _, priority, _, _, stalls, delay, ttl = tail(rec)
    recs[id] = rec
    rec[ST] = (ups == '0' and delay == 0) and 'w' or 'b'
    rec[TAIL] = sub(rec[TAIL], 1, -2) .. rec[ST]
    dirty[id] = true
    later(enter, rec[ST], rec[ST] == 'w' and wait_score(rec) or order, id)
    later(enter, 'fj:' .. flow, order, id)
    later(put, 'data', id, job[PAYLOAD])
    if job[ABOVE] ~= '' then later(put, 'up', id, job[ABOVE]) end
    if job[BELOW] ~= '' then later(put, 'down', id, job[BELOW]) end
    if (ups == '0' and delay > 0) or ttl > 0 then later(enter, 'arm:' .. flow, order, id) end
    if job[REPEAT] ~= '' then
      local every, payload = match(job[REPEAT], '^(%S+) (.*)$')
      later(put, 'repeat', id, every .. ' 0 ' .. priority .. ' ' .. fmt('%.0f', stalls) .. ' ' .. fmt('%.0f', ttl) .. '\n' .. payload)
    end
    if job[OUTSIDE] ~= '' then
      local names = {}
      for up in string.gmatch(job[OUTSIDE], '[^ ]+') do
        later(enter, 'ext:' .. flow, order, up .. ' ' .. id)
        names[#names + 1] = owner(up, recs[up])
      end
      later(put, 'up', id .. ':pins', pin_names(names))
      unpins[#unpins + 1] = id
    end
  end
end
for i = 3 + count, #ARGV do
  local column, field, each = match(ARGV[i], '^(%S+)\n(%S+)\n(.*)$')
  later(put, column, field, each)
end
chunks('ZADD', P .. 's:w', waiting)
chunks('ZADD', P .. 's:b', blocked)
chunks('ZADD', P .. 'fj:' .. flow, members)
chunks('HSET', P .. 'data', payloads)
chunks('HSET', P .. 'up', above)
chunks('HSET', P .. 'down', below)
chunks('HSET', P .. 'jobs', texts)
commit()
return {'ok'}
