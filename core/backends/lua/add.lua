--[[ add: jobs that fit into one call: single ones, or a whole flow of at most 500.
-- with more.lua

ARGV  flow id or "-", digest, name, how many jobs, then for each job:
      id, payload, ids of its upstreams within the flow, ids below it within the flow, ids of upstreams of earlier
      flows (each parted by blanks), "trigger priority max_stalls delay ttl" (ms), and "" or "every ms" and a payload
      for what repeats
Returns  for a flow: {"ok"}, {"same"} (added before), {"conflict"}, {"duplicate", id}, {"unknown", id, upstream}
         for single jobs, one of these words for each, as "ok" or "duplicate", or "unknown UPSTREAM": each by itself
Nothing is written unless the answer is ok.
]]
local flow, digest, name, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local WIDTH = 7

local function arg(job, k) return ARGV[4 + (job - 1) * WIDTH + k] end

local ids, outside = {}, {}
for job = 1, count do
  ids[job] = arg(job, 1)
  for up in string.gmatch(arg(job, 5), '[^ ]+') do outside[#outside + 1] = up end
end
if flow ~= '-' then
  local about = call('HGET', P .. 'about', flow)
  if about then
    return {match(about, '^[^\n]*') == digest and 'same' or 'conflict'}
  elseif call('HEXISTS', P .. 'staging', flow) == 1 then
    return {'conflict'}
  end
end
load(ids)
load(outside)
local ranges = call('EXISTS', P .. 'staging') == 1 and hidden() or {}
local declared = call('EXISTS', P .. 'declared') == 1

local function trouble(job)
  local id = ids[job]
  if recs[id] then
    if flow == '-' and call('HGET', P .. 'data', id) == arg(job, 2) then return 'same' end
    return 'duplicate'
  end
  for up in string.gmatch(arg(job, 5), '[^ ]+') do
    if not recs[up] or is_hidden(recs[up], ranges) then return 'unknown', up end
  end
end

-- Most single jobs wait for nothing, and there may be very many: what `born` would do for them, straight to the texts.
local texts, payloads, scores = {}, {}, {}
local specs = {}

local function plain(job, order)
  local spec = arg(job, 6)
  local about = specs[spec]
  if about == nil then
    local trigger, priority, stalls, delay, ttl = match(spec, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    about = delay == '0' and ttl == '0' and (trigger == 'S' or trigger == 'D') and
      {' ' .. priority .. ' ' .. trigger .. ' 0 ' .. stalls .. ' 0 0 ' .. NOW .. ' w', priority * 17592186044416}
    specs[spec] = about
  end
  if not about then return false end
  local id, n = ids[job], #texts
  local text = 'w - - 0 0 0 0 0 - 0 0 - ' .. flow .. ' ' .. fmt('%.0f', order) .. about[1]
  texts[n + 1], texts[n + 2] = id, text
  payloads[n + 1], payloads[n + 2] = id, arg(job, 2)
  scores[n + 1], scores[n + 2] = fmt('%.0f', about[2] + order), id
  lines[#lines + 1] = id .. ' -w- 0 ' .. flow .. ' '
  bump(flow, 'w', 1)
  woken = true
  recs[id] = #outside > 0 and parse(text) or true
  return true
end

local function born(job, order)
  local id, inside, below, ext = ids[job], arg(job, 3), arg(job, 4), arg(job, 5)
  local above = {}
  for up in string.gmatch(ext, '[^ ]+') do above[#above + 1] = up end
  if declared then
    local known = ' ' .. inside .. ' ' .. ext .. ' '
    for up in string.gmatch(call('HGET', P .. 'declared', id) or '', '[^ ]+') do
      if not find(known, ' ' .. up .. ' ', 1, true) and get(up) then
        above[#above + 1] = up
        known = known .. up .. ' '
      end
    end
    call('HDEL', P .. 'declared', id)
  end
  local pending, bad, first_bad, names = count_words(inside), 0, nil, {}
  local ups = pending + #above
  for i = 1, #above do
    local rec = recs[above[i]]
    -- Also below one that has ended: it may run again.
    link_below(above[i], rec, id)
    if not ENDED[rec[ST]] then
      pending = pending + 1
    elseif rec[ST] ~= 'c' then
      bad = bad + 1
      first_bad = first_bad or above[i]
    end
    names[#names + 1] = owner(above[i], rec)
  end
  local flags = (arg(job, 7) ~= '' and 'R' or '') .. (#above > 0 and 'P' or '')
  local rec = newborn(flow, order, arg(job, 6), ups, pending, bad, count_words(below), flags, 'w')
  recs[id] = rec
  later(put, 'data', id, arg(job, 2))
  local all = inside
  if #above > 0 then
    all = (inside == '' and '' or inside .. ' ') .. concat(above, ' ')
    later(put, 'up', id .. ':pins', pin_names(names))
    unpins[#unpins + 1] = id
  end
  if ups > 0 then later(put, 'up', id, all) end
  if below ~= '' then later(put, 'down', id, below) end
  if arg(job, 7) ~= '' then
    local every, payload = match(arg(job, 7), '^(%S+) (.*)$')
    local _, priority, _, _, stalls, _, ttl = tail(rec)
    later(put, 'repeat', id, every .. ' 0 ' .. priority .. ' ' .. fmt('%.0f', stalls) .. ' ' .. fmt('%.0f', ttl) .. '\n' .. payload)
  end
  local _, _, _, _, _, _, ttl = tail(rec)
  if ttl > 0 then later(enter, 'ttl', fmt('%.0f', now + ttl), id) end
  local says = ups == 0 and 'go' or verdict(rec)
  if says == 'go' then
    ready(id, rec, '')
  elseif says == 'skip' then
    local root = first_bad
    if root and recs[root][ST] == 'k' and recs[root][CAU] ~= '-' then root = recs[root][CAU] end
    rec[CAU] = root or '-'
    finish(id, rec, 'k', root and 'upstream ' .. root .. ' did not complete' or 'its trigger can no longer hold')
  else
    move(id, rec, 'b', order, '')
  end
  if flow ~= '-' then later(enter, 'fj:' .. flow, order, id) end
end

local answer = {}
if flow ~= '-' then
  for job = 1, count do
    local word, about = trouble(job)
    if word then return {word, ids[job], about or ''} end
  end
end
local base = call('HINCRBY', P .. 'meta', 'order', count) - count
if flow ~= '-' then
  call('HSET', P .. 'flow', flow, 'running ' .. NOW .. ' 0 0 0 0 0 0 0 0 0 0 0')
  call('HSET', P .. 'about', flow, digest .. '\n' .. name)
  call('ZADD', P .. 'flows', NOW, flow)
  answer[1] = 'ok'
end
for job = 1, count do
  local word, about
  if flow == '-' then word, about = trouble(job) end
  if word then
    answer[job] = about and word .. ' ' .. about or word
  else
    local simple = not declared and flow == '-' and arg(job, 3) == '' and arg(job, 4) == '' and arg(job, 5) == '' and arg(job, 7) == ''
    if not (simple and plain(job, base + job)) then born(job, fmt('%.0f', base + job)) end
    if flow == '-' then answer[job] = 'ok' end
  end
end
-- A job that is skipped at once is followed to jobs of this very call: their links must be there.
flush_put()
follow()
chunks('ZADD', P .. 's:w', scores)
chunks('HSET', P .. 'jobs', texts)
chunks('HSET', P .. 'data', payloads)
commit()
return answer
