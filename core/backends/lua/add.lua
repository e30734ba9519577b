--[[ add: jobs that fit into one call: single ones, or a whole flow of at most 500.
-- with more.lua

ARGV  flow id or "-", digest, name, then for each job one line or seven:
      "id payload" for a job with nothing special about it; else, each on a line: id, "trigger priority max_stalls delay
      ttl" (ms), ids of its upstreams within the flow, ids below it within the flow, ids of upstreams of earlier flows
      (each parted by blanks), "every payload" (ms) for what repeats, payload. A payload is JSON on one line.
Returns  for a flow: {"ok"}, {"same"} (added before), {"conflict"}, {"duplicate", id}, {"unknown", id, upstream}
         for single jobs, one of these words for each, as "ok" or "duplicate", or "unknown UPSTREAM": each by itself;
         "same" is the same payload with the same upstreams again
         {"busy"} when what became of an upstream still spreads: pump, and try again
Nothing is written unless the answer is ok.
]]
local flow, digest, name, count = ARGV[1], ARGV[2], ARGV[3], #ARGV - 3
local ID, SPEC, INSIDE, BELOW, OUTSIDE, REPEAT, PAYLOAD = 1, 2, 3, 4, 5, 6, 7
local LINES = '^' .. string.rep('([^\n]*)\n', 6) .. '(.*)$'
local ORDINARY = 'S 5 3 0 0'

local jobs, ids, outside = {}, {}, {}
for i = 1, count do
  local text = ARGV[3 + i]
  local id, payload = match(text, '^(%S+) ([^\n]*)$')
  local job = id and {id, ORDINARY, '', '', '', '', payload} or {match(text, LINES)}
  jobs[i], ids[i] = job, job[ID]
  if job[OUTSIDE] ~= '' then
    for up in string.gmatch(job[OUTSIDE], '[^ ]+') do outside[#outside + 1] = up end
  end
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
if spreading(outside) then return {'busy'} end
if declared then
  local wishes = {}
  for i = 1, count do
    for up in string.gmatch(call('HGET', P .. 'declared', ids[i]) or '', '[^ ]+') do wishes[#wishes + 1] = up end
  end
  if spreading(wishes) then return {'busy'} end
end

local function trouble(job)
  if recs[job[ID]] then
    if flow ~= '-' or call('HGET', P .. 'data', job[ID]) ~= job[PAYLOAD] then return 'duplicate' end
    local _, above, ups = nil, ' ', 0
    if job[OUTSIDE] ~= '' then _, _, _, ups = tail(recs[job[ID]]) end
    for page = 0, math.ceil(ups / PAGE) - 1 do
      local field = page == 0 and job[ID] or job[ID] .. ':' .. fmt('%.0f', page)
      above = above .. (call('HGET', P .. 'up', field) or '') .. ' '
    end
    for up in string.gmatch(job[OUTSIDE], '[^ ]+') do
      if not find(above, ' ' .. up .. ' ', 1, true) then return 'duplicate' end
    end
    return 'same'
  end
  if job[OUTSIDE] == '' then return end
  for up in string.gmatch(job[OUTSIDE], '[^ ]+') do
    if not recs[up] or is_hidden(recs[up], ranges) then return 'unknown', up end
  end
end

-- Most single jobs wait for nothing, and there may be very many: what `born` would do for them, straight to the texts.
local texts, payloads, scores = {}, {}, {}
local specs = {}

local function plain(job, order)
  local spec = job[SPEC]
  local about = specs[spec]
  if about == nil then
    local trigger, priority, stalls, delay, ttl = match(spec, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    about = delay == '0' and ttl == '0' and (trigger == 'S' or trigger == 'D') and
      {' ' .. priority .. ' ' .. trigger .. ' 0 ' .. stalls .. ' 0 0 ' .. NOW .. ' w', priority * 17592186044416}
    specs[spec] = about
  end
  if not about then return false end
  local id, n = job[ID], #texts
  local text = 'w - - 0 0 0 0 0 - 0 0 - ' .. flow .. ' ' .. fmt('%.0f', order) .. about[1]
  texts[n + 1], texts[n + 2] = id, text
  payloads[n + 1], payloads[n + 2] = id, job[PAYLOAD]
  scores[n + 1], scores[n + 2] = fmt('%.0f', about[2] + order), id
  lines[#lines + 1] = id .. ' -w- 0 ' .. flow .. ' '
  bump(flow, 'w', 1)
  woken = true
  recs[id] = #outside > 0 and parse(text) or true
  return true
end

-- Ids, parted by blanks, in pages.
local function put_pages(column, id, text, count)
  if count == 0 then return end
  if count <= PAGE then return later(put, column, id, text) end
  local page, n = {}, 0
  for each in string.gmatch(text, '[^ ]+') do
    page[#page + 1] = each
    n = n + 1
    if #page == PAGE or n == count then
      local at = math.floor((n - 1) / PAGE)
      later(put, column, at == 0 and id or id .. ':' .. fmt('%.0f', at), concat(page, ' '))
      page = {}
    end
  end
end

local function born(job, order)
  local id, inside, below, ext = job[ID], job[INSIDE], job[BELOW], job[OUTSIDE]
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
  local flags = (job[REPEAT] ~= '' and 'R' or '') .. (#above > 0 and 'P' or '')
  local downs = count_words(below)
  local rec = newborn(flow, order, job[SPEC], ups, pending, bad, downs, flags, 'w')
  recs[id] = rec
  later(put, 'data', id, job[PAYLOAD])
  local all = inside
  if #above > 0 then
    all = (inside == '' and '' or inside .. ' ') .. concat(above, ' ')
    later(put, 'up', id .. ':pins', pin_names(names))
    unpins[#unpins + 1] = id
  end
  put_pages('up', id, all, ups)
  put_pages('down', id, below, downs)
  if job[REPEAT] ~= '' then
    local every, payload = match(job[REPEAT], '^(%S+) (.*)$')
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
    local word, about = trouble(jobs[job])
    if word then return {word, ids[job], about or ''} end
  end
end
local base
local function order_of(i)
  -- Only now: where every job is refused, nothing is written.
  if not base then base = call('HINCRBY', P .. 'meta', 'order', count) - count end
  return base + i
end
if flow ~= '-' then
  call('HSET', P .. 'flow', flow, 'running ' .. NOW .. ' 0 0 0 0 0 0 0 0 0 0 0')
  call('HSET', P .. 'about', flow, digest .. '\n' .. name)
  call('ZADD', P .. 'flows', NOW, flow)
  answer[1] = 'ok'
end
for i = 1, count do
  local job, word, about = jobs[i], nil, nil
  if flow == '-' then word, about = trouble(job) end
  if word then
    answer[i] = about and word .. ' ' .. about or word
  else
    local simple = not declared and flow == '-' and job[INSIDE] == '' and job[BELOW] == '' and job[OUTSIDE] == '' and job[REPEAT] == ''
    if not (simple and plain(job, order_of(i))) then born(job, fmt('%.0f', order_of(i))) end
    if flow == '-' then answer[i] = 'ok' end
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
