--[[ turn: settle a worker's outcomes, do what is due, and give it jobs: one call.

ARGV  worker, token for the new claims, how many to give, lease in ms, then for each outcome "id token kind" and, where
      there is more to say, three lines: delay in ms, reason, payload
      kind: c completed, f failed, r retry, x cancelled, h handed back, p parked (reason is the task)
Returns  {claims: id, payload, attempt, failures, flow, ...}, {ids whose lease is lost}, ms until something is due
         or -1, 1 if jobs are still waiting, how many steps are pending (see pump.lua)
]]
local worker, token, want, lease = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lost, claims = {}, {}
calm = call('EXISTS', P .. 's:d', P .. 'ttl', P .. 'repeats', P .. 'park', P .. 'staging', P .. 'ops') == 0

-- Each part stands in a block, not in a function of its own: what is not needed then costs nothing.

-- ---------------------------------------------------------------------------------------------- outcomes
if #ARGV > 4 then
  local ids, tokens, kinds, more = {}, {}, {}, {}
  for i = 1, #ARGV - 4 do ids[i], tokens[i], kinds[i], more[i] = match(ARGV[4 + i], '^(%S+) (%S+) (%a)(.*)$') end
  load(ids)
  for i = 1, #ids do
    local id, kind = ids[i], kinds[i]
    local rec = recs[id]
    local delay, reason, payload = '0', '', ''
    if more[i] ~= '' then delay, reason, payload = match(more[i], '^\n(%d+)\n([^\n]*)\n(.*)$') end
    if not rec or rec[TOK] ~= tokens[i] then
      lost[#lost + 1] = id
    elseif rec[ST] == 'a' then -- else it was heard before, and accepted
      if rec[FLG] ~= '-' and flagged(rec, 'C') then
        finish(id, rec, 'x', 'cancelled', 'w')
      elseif kind == 'c' then
        if payload ~= '' then later(put, 'result', id, payload) end
        if rec[FLG] ~= '-' and flagged(rec, 'E') then
          later(drop, 'error', id)
          flag(id, rec, 'E', false)
        end
        finish(id, rec, 'c', reason, 'w')
      elseif kind == 'f' or kind == 'r' then
        later(put, 'error', id, payload)
        flag(id, rec, 'E', true)
        if kind == 'f' then
          finish(id, rec, 'f', reason, 'w')
        else
          move(id, rec, 'd', fmt('%.0f', now + delay), reason, 'w')
        end
      elseif kind == 'x' then
        finish(id, rec, 'x', reason, 'w')
      else
        rec[ATT] = fmt('%.0f', rec[ATT] - 1)
        if kind == 'h' or verdict(rec) ~= 'go' then
          again(id, rec, 'handed back', 'w')
        else
          move(id, rec, 'w', wait_score(rec), 'the worker has no such task', 'w')
          enter.w[#enter.w], enter.w[#enter.w - 1] = nil, nil
          calm = false
          later(enter, 'park', wait_score(rec), id)
          later(put, 'parked', id, reason)
        end
      end
    end
  end
  if #work > 0 then follow() end
end

-- ---------------------------------------------------------------------------------------------- what is due

local function due(index, most)
  local ids = call('ZRANGEBYSCORE', P .. index, '-inf', NOW, 'LIMIT', 0, most)
  if #ids > 0 then load(ids) end
  return ids
end

for _, id in ipairs(calm and {} or due('s:d', 200)) do
  if recs[id] then again(id, recs[id], 'due') end
end

for _, id in ipairs(calm and {} or due('ttl', 100)) do
  local rec = recs[id]
  if rec and (rec[ST] == 'b' or rec[ST] == 'w' or rec[ST] == 'd') then
    if flagged(rec, 'R') then
      call('ZREM', P .. 'repeats', id)
      call('HDEL', P .. 'repeat', id)
    end
    finish(id, rec, 'e', 'not started within its ttl')
  else
    later(leave, 'ttl', id)
  end
end

for _, id in ipairs(due('s:a', 100)) do
  local rec = recs[id]
  if not rec then
    later(leave, 'a', id)
  elseif rec[ST] == 'a' then
    if flagged(rec, 'C') then
      finish(id, rec, 'x', 'cancelled; its worker is gone')
    else
      rec[STL], rec[TOK] = fmt('%.0f', rec[STL] + 1), '-'
      local _, _, _, _, most = tail(rec)
      if tonumber(rec[STL]) >= most then
        local said = 'it lost its worker ' .. rec[STL] .. ' times, the last was ' .. rec[WRK]
        later(put, 'error', id, '{"type":"LeaseLost","message":"' .. said .. '"}')
        flag(id, rec, 'E', true)
        finish(id, rec, 'f', 'LeaseLost: ' .. said)
      else
        again(id, rec, 'lease ran out')
      end
    end
  end
end

-- One tick of what repeats: a copy with an id of its own, so that a tick can happen once only. Missed ticks are passed.
for _, id in ipairs(calm and {} or call('ZRANGEBYSCORE', P .. 'repeats', '-inf', NOW, 'LIMIT', 0, 50)) do
  local text = call('HGET', P .. 'repeat', id)
  if not text then
    later(leave, 'repeats', id)
  else
    local every, n, rest, payload = match(text, '^(%S+) (%S+) ([^\n]*)\n(.*)$')
    local at = tonumber(call('ZSCORE', P .. 'repeats', id))
    local missed = math.floor((now - at) / every)
    n = fmt('%.0f', n + 1 + missed)
    local copy = id .. '.' .. n
    call('HSET', P .. 'repeat', id, every .. ' ' .. n .. ' ' .. rest .. '\n' .. payload)
    call('ZADD', P .. 'repeats', fmt('%.0f', at + every * (1 + missed)), id)
    if not get(copy) then
      local priority, stalls, ttl = match(rest, '^(%S+) (%S+) (%S+)')
      local order = fmt('%.0f', call('HINCRBY', P .. 'meta', 'order', 1))
      local rec = parse('- - - 0 0 0 0 0 ' .. (ttl == '0' and '-' or 'T') .. ' 0 0 - - ' .. order .. ' ' .. priority ..
        ' S 0 ' .. stalls .. ' 0 ' .. ttl .. ' ' .. NOW .. ' w')
      recs[copy] = rec
      later(put, 'data', copy, payload)
      if ttl ~= '0' then later(enter, 'ttl', fmt('%.0f', now + ttl), copy) end
      move(copy, rec, 'w', wait_score(rec), 'repeat of ' .. id, '-', true)
    end
  end
end
if #work > 0 then follow() end

-- ---------------------------------------------------------------------------------------------- claims

local steering = call('HMGET', P .. 'meta', 'paused', 'parkcursor')
local paused = steering[1] == '1'
local emptied = false -- no job is left waiting
if want > 0 and not paused then
  local ids = {}
  local first_popped = 1 -- from here on, ids have been taken out of their index already
  if calm then
    if leave.w or passed then flush_index() end
    local head, fresh = call('ZPOPMIN', P .. 's:w', want), enter.w
    if not fresh then
      for i = 1, #head, 2 do ids[#ids + 1] = head[i] end
    else
      -- What this call made ready stands in line with what waited before; what is given out at once need not be put into
      -- the index before.
      local line = {}
      for i = 1, #head, 2 do line[#line + 1] = {tonumber(head[i + 1]), head[i], head[i + 1]} end
      for i = 1, #fresh, 2 do line[#line + 1] = {tonumber(fresh[i]), fresh[i + 1], fresh[i], true} end
      if #line > 1 then table.sort(line, function(x, y) return x[1] < y[1] end) end
      enter.w = nil
      for i = 1, #line do
        local score, id, is_fresh = line[i][3], line[i][2], line[i][4]
        if i > want then
          later(enter, 'w', score, id)
        else
          ids[i] = id
          if is_fresh then moved[id] = nil end
        end
      end
    end
    emptied = #head < 2 * want and not enter.w
  else
    flush_index()
    flush_put() -- the payload of a repeat that is given out below
    if call('EXISTS', P .. 'park') == 1 then
      -- Parked jobs whose task this worker has.
      local known = {}
      for name in string.gmatch(call('HGET', P .. 'wtasks', worker) or '', '[^\n]+') do known[name] = true end
      local from = tonumber(steering[2] or '0')
      local parked = call('ZRANGE', P .. 'park', from, from + STEP - 1)
      call('HSET', P .. 'meta', 'parkcursor', #parked == STEP and from + STEP or 0)
      local tasks = #parked > 0 and call('HMGET', P .. 'parked', unpack(parked)) or {}
      for i = 1, #parked do
        if #ids < want and tasks[i] and known[tasks[i]] then ids[#ids + 1] = parked[i] end
      end
    end
    first_popped = #ids + 1
    if call('EXISTS', P .. 'staging') == 1 then
      for _, id in ipairs(visible('w', 0, want - #ids, hidden())) do ids[#ids + 1] = id end
      first_popped = #ids + 1
    elseif #ids < want then
      local head = call('ZPOPMIN', P .. 's:w', want - #ids)
      emptied = #head < 2 * (want - #ids)
      for i = 1, #head, 2 do ids[#ids + 1] = head[i] end
    end
  end
  if #ids > 0 then
    load(ids)
    local payloads = call('HMGET', P .. 'data', unpack(ids))
    local until_ = fmt('%.0f', now + lease)
    local n = 0
    for i = 1, #ids do
      local id = ids[i]
      local rec = recs[id]
      if rec then
        local attempt = rec[ATT] + 1
        rec[TOK], rec[WRK], rec[ATT], rec[STA], rec[FIN] = token, worker, attempt == 1 and '1' or fmt('%.0f', attempt), NOW, '0'
        if attempt == 1 and rec[FLG] ~= '-' then
          if flagged(rec, 'R') and not call('ZSCORE', P .. 'repeats', id) then
            local every = match(call('HGET', P .. 'repeat', id) or '', '^%S+')
            if every then
              call('ZADD', P .. 'repeats', fmt('%.0f', now + every), id)
              soon = true
            end
          end
          if flagged(rec, 'T') then later(leave, 'ttl', id) end
        end
        move(id, rec, 'a', until_, '', 'w', i >= first_popped)
        claims[n + 1], claims[n + 2], claims[n + 3], claims[n + 4], claims[n + 5] =
          id, payloads[i] or '', attempt, attempt - 1 - rec[STL], rec[FLOW]
        n = n + 5
      end
    end
  end
end
woken = false
commit(worker)
local more = not paused and not emptied and call('ZCARD', P .. 's:w') > 0
if more and call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
local next_due = -1
local indexes = #claims == 0 and {'s:a'} or {}
if not calm or soon then indexes = #claims == 0 and {'s:d', 'repeats', 'ttl', 's:a'} or {'s:d'} end
for _, index in ipairs(indexes) do
  local head = call('ZRANGE', P .. index, 0, 0, 'WITHSCORES')
  if head[2] then
    local wait = math.max(0, head[2] - now)
    if next_due < 0 or wait < next_due then next_due = wait end
  end
end
return {claims, lost, next_due, more and 1 or 0, calm and 0 or call('LLEN', P .. 'ops')}
