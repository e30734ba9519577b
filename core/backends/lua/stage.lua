--[[ stage: write a part of a large flow. Sending a part again changes nothing.
-- with more.lua

ARGV  flow id, how many jobs, how many further pages, then for each job:
      id, payload, its place in the flow (1 ...), "trigger priority max_stalls delay ttl" (ms), how many upstreams,
      how many below it, first page of upstream ids, first page of ids below, ids of upstreams of earlier flows,
      "" or "every payload" for what repeats; then for each further page: "up" or "down", "id:page", ids
Returns  {"ok"}, {"gone"} (not begun, or given up), {"duplicate", id}, {"unknown", id, upstream}
]]
local flow, count, further = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local WIDTH = 10
local text = call('HGET', P .. 'staging', flow)
if not text then return {'gone'} end
local base = tonumber(match(text, '^%S+'))

local function arg(job, k) return ARGV[3 + (job - 1) * WIDTH + k] end

local ids, outside = {}, {}
for job = 1, count do
  ids[job] = arg(job, 1)
  for up in string.gmatch(arg(job, 9), '[^ ]+') do outside[#outside + 1] = up end
end
load(ids)
load(outside)
local ranges = #outside > 0 and hidden() or {}
for job = 1, count do
  if recs[ids[job]] and recs[ids[job]][FLOW] ~= flow then return {'duplicate', ids[job]} end
  for up in string.gmatch(arg(job, 9), '[^ ]+') do
    if not recs[up] or is_hidden(recs[up], ranges) then return {'unknown', ids[job], up} end
  end
end
for job = 1, count do
  local id = ids[job]
  if not recs[id] then
    local ups, downs, spec = arg(job, 5), arg(job, 6), arg(job, 4)
    local order = fmt('%.0f', base + arg(job, 3))
    local flags = (arg(job, 10) ~= '' and 'R' or '') .. (arg(job, 9) ~= '' and 'P' or '')
    local rec = newborn(flow, order, spec, ups, ups, '0', downs, flags, 'w')
    local _, priority, _, _, stalls, delay, ttl = tail(rec)
    recs[id] = rec
    rec[ST] = (ups == '0' and delay == 0) and 'w' or 'b'
    rec[TAIL] = sub(rec[TAIL], 1, -2) .. rec[ST]
    dirty[id] = true
    later(enter, rec[ST], rec[ST] == 'w' and wait_score(rec) or order, id)
    later(enter, 'fj:' .. flow, order, id)
    later(put, 'data', id, arg(job, 2))
    if arg(job, 7) ~= '' then later(put, 'up', id, arg(job, 7)) end
    if arg(job, 8) ~= '' then later(put, 'down', id, arg(job, 8)) end
    if (ups == '0' and delay > 0) or ttl > 0 then later(enter, 'arm:' .. flow, order, id) end
    if arg(job, 10) ~= '' then
      local every, payload = match(arg(job, 10), '^(%S+) (.*)$')
      later(put, 'repeat', id, every .. ' 0 ' .. priority .. ' ' .. fmt('%.0f', stalls) .. ' ' .. fmt('%.0f', ttl) .. '\n' .. payload)
    end
    if arg(job, 9) ~= '' then
      local names = {}
      for up in string.gmatch(arg(job, 9), '[^ ]+') do
        later(enter, 'ext:' .. flow, order, up .. ' ' .. id)
        names[#names + 1] = owner(up, recs[up])
      end
      later(put, 'up', id .. ':pins', pin_names(names))
      unpins[#unpins + 1] = id
    end
  end
end
for page = 1, further do
  local at = 3 + count * WIDTH + (page - 1) * 3
  later(put, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
end
commit()
return {'ok'}
