--[[ turn: settle a worker's outcomes, do what is due, work off pending steps, and give it jobs: one call.

ARGV  worker, token for the new claims, how many to give, lease in ms, how many outcomes, then for each outcome:
      id, token, kind, payload, reason, delay in ms
      kind: c completed, f failed, r retry, x cancelled, h handed back, p parked (reason is the task)
Returns  {claims: id, payload, attempt, failures, flow, ...}, {ids whose lease is lost}, ms until something is due
         or -1, 1 if jobs are still waiting, how many steps are left
]]
local worker, token, want, lease, count = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local lost = {}

local function settle(id, given, kind, payload, reason, delay)
  local rec = recs[id]
  if not rec or rec[TOK] ~= given then
    lost[#lost + 1] = id
  elseif rec[ST] ~= 'a' then
    return -- heard before, and accepted
  elseif flagged(rec, 'C') then
    finish(id, rec, 'x', 'cancelled', 'w')
  elseif kind == 'c' then
    if payload ~= '' then later(put, 'result', id, payload) end
    if flagged(rec, 'E') then
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
      later(enter, 'park', wait_score(rec), id)
      later(put, 'parked', id, reason)
    end
  end
end

-- ---------------------------------------------------------------------------------------------- what is due

local function due(index, most)
  return call('ZRANGEBYSCORE', P .. index, '-inf', NOW, 'LIMIT', 0, most)
end

local function promote_delayed()
  local ids = due('s:d', 200)
  load(ids)
  for i = 1, #ids do
    if recs[ids[i]] then again(ids[i], recs[ids[i]], 'due') end
  end
end

local function expire()
  local ids = due('ttl', 100)
  load(ids)
  for i = 1, #ids do
    local id, rec = ids[i], recs[ids[i]]
    if rec and (rec[ST] == 'b' or rec[ST] == 'w' or rec[ST] == 'd') then
      stop_repeat(id, rec)
      finish(id, rec, 'e', 'not started within its ttl')
    else
      later(leave, 'ttl', id)
    end
  end
end

local function reap()
  local ids = due('s:a', 100)
  load(ids)
  for i = 1, #ids do
    local id, rec = ids[i], recs[ids[i]]
    if not rec then
      later(leave, 'a', id)
    elseif flagged(rec, 'C') then
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
local function tick()
  local ids = due('repeats', 50)
  for i = 1, #ids do
    local id = ids[i]
    local text = call('HGET', P .. 'repeat', id)
    if not text then
      later(leave, 'repeats', id)
    else
      local every, n, rest, payload = match(text, '^(%S+) (%S+) ([^\n]*)\n(.*)$')
      local at = tonumber(call('ZSCORE', P .. 'repeats', id))
      local missed = math.floor((now - at) / every)
      n = n + 1 + missed
      local copy = id .. '.' .. fmt('%.0f', n)
      call('HSET', P .. 'repeat', id, every .. ' ' .. fmt('%.0f', n) .. ' ' .. rest .. '\n' .. payload)
      call('ZADD', P .. 'repeats', fmt('%.0f', at + every * (1 + missed)), id)
      if not get(copy) then
        local priority, stalls, ttl = match(rest, '^(%S+) (%S+) (%S+)')
        local order = fmt('%.0f', call('HINCRBY', P .. 'meta', 'order', 1))
        local rec = parse('- - - 0 0 0 0 0 - 0 0 - - ' .. order .. ' ' .. priority .. ' S 0 ' .. stalls .. ' 0 ' .. ttl .. ' ' .. NOW .. ' w')
        recs[copy] = rec
        later(put, 'data', copy, payload)
        if ttl ~= '0' then later(enter, 'ttl', fmt('%.0f', now + ttl), copy) end
        move(copy, rec, 'w', wait_score(rec), 'repeat of ' .. id, '-', true)
      end
    end
  end
end

-- ---------------------------------------------------------------------------------------------- pending steps

local function op_cancel(flow, left)
  left = tonumber(left)
  local from = math.max(0, left - 250)
  -- From the end, downstream first: what is cancelled above it then finds nothing to skip.
  local ids = call('ZRANGE', P .. 'fj:' .. flow, from, left - 1)
  load(ids)
  budget = budget - #ids
  for i = #ids, 1, -1 do
    local rec = recs[ids[i]]
    if rec and not ENDED[rec[ST]] then cancel(ids[i], rec) end
  end
  if from > 0 then return 'C ' .. flow .. ' ' .. fmt('%.0f', from) end
end

local function wants_retry(rec, mode)
  local state = rec[ST]
  if mode == 'all' then return true end
  return state == 'f' or state == 'x' or state == 'e' or (mode == 'downstream' and flagged(rec, 'Y'))
end

-- Upstream first, so that each job's counters tell the truth when its turn comes. The second value says how many
-- steps were put in front, which must come before this one goes on; -1: after all others.
local function op_retry(flow, mode, cursor)
  cursor = tonumber(cursor)
  local ids = call('ZRANGE', P .. 'fj:' .. flow, cursor, cursor + 99)
  local head = 'Y ' .. flow .. ' ' .. mode .. ' '
  load(ids)
  for i = 1, #ids do
    local id, rec = ids[i], recs[ids[i]]
    if budget <= 0 then return head .. fmt('%.0f', cursor + i - 1), 0 end
    budget = budget - 1
    if rec and ENDED[rec[ST]] and wants_retry(rec, mode) then
      -- What its end did may still be spreading; undo it only after that.
      if call('HEXISTS', P .. 'opc', id) == 1 then return head .. fmt('%.0f', cursor + i - 1), -1 end
      reset(id, rec, mode == 'downstream' and 'V' or 'U', 'retry')
      call('HINCRBY', P .. 'opres', flow, 1)
      local ahead = follow(true)
      if ahead > 0 then return head .. fmt('%.0f', cursor + i), ahead end
    elseif rec and flagged(rec, 'Y') then
      flag(id, rec, 'Y', false)
    end
  end
  if #ids == 100 then return head .. fmt('%.0f', cursor + 100), 0 end
end

-- Delays and ttls of a large flow count from its commit.
local function op_arm(flow)
  local key = P .. 'arm:' .. flow
  local ids = call('ZRANGE', key, 0, 249)
  load(ids)
  budget = budget - #ids
  for i = 1, #ids do
    local id, rec = ids[i], recs[ids[i]]
    if rec and not ENDED[rec[ST]] and rec[ST] ~= 'a' then
      local _, _, _, _, _, _, ttl = tail(rec)
      if ttl > 0 then later(enter, 'ttl', fmt('%.0f', now + ttl), id) end
      if rec[ST] == 'b' then reconsider(id, rec, nil) end
    end
  end
  call('ZREMRANGEBYRANK', key, 0, #ids - 1)
  if #ids == 250 then return 'A ' .. flow end
end

-- Links of a large flow to jobs of earlier flows: "up down" pairs.
local function op_link(flow)
  local key = P .. 'ext:' .. flow
  local pairs_ = call('ZRANGE', key, 0, 249)
  budget = budget - #pairs_
  for i = 1, #pairs_ do
    local up, down = match(pairs_[i], '^(%S+) (%S+)$')
    local above, rec = get(up), get(down)
    if rec and above then link_below(up, above, down) end
    if rec and not (above and not ENDED[above[ST]]) then
      rec[PEND] = fmt('%.0f', rec[PEND] - 1)
      if not above or above[ST] ~= 'c' then rec[BAD] = fmt('%.0f', rec[BAD] + 1) end
      dirty[down] = true
      reconsider(down, rec, {up, above and above[ST] or 'f'})
    end
  end
  call('ZREMRANGEBYRANK', key, 0, #pairs_ - 1)
  if #pairs_ == 250 then return 'X ' .. flow end
end

local function op_remove(flow, left)
  left = tonumber(left)
  local from = math.max(0, left - 250)
  local ids = call('ZRANGE', P .. 'fj:' .. flow, from, left - 1)
  load(ids)
  budget = budget - #ids
  for i = 1, #ids do
    if recs[ids[i]] then forget(ids[i], recs[ids[i]]) end
  end
  call('HINCRBY', P .. 'opres', flow, #ids)
  flows[flow] = nil -- its counts go with it; to write them would list it as ended again
  if from > 0 then return 'D ' .. flow .. ' ' .. fmt('%.0f', from) end
  call('DEL', P .. 'fj:' .. flow)
  call('HDEL', P .. 'flow', flow)
  call('HDEL', P .. 'about', flow)
end

local function pump()
  while budget > 0 do
    local op = call('LPOP', P .. 'ops')
    if not op then return end
    local kind, a, b, c = match(op, '^(%S) (%S+) ?(%S*) ?(%S*)$')
    local again, where
    if kind == 'R' or kind == 'U' or kind == 'V' then
      if call('HINCRBY', P .. 'opc', a, -1) <= 0 then call('HDEL', P .. 'opc', a) end
      local rec = get(a)
      local page, pages = tonumber(b), math.ceil((rec and tonumber(rec[NDN]) or 0) / PAGE)
      while page < pages and budget > 0 do
        follow_page(a, page, kind, c)
        page = page + 1
      end
      if page < pages then queue_op(a, kind .. ' ' .. a .. ' ' .. fmt('%.0f', page) .. ' ' .. c, true) end
    elseif kind == 'C' then
      again = op_cancel(a, b)
    elseif kind == 'Y' then
      again, where = op_retry(a, b, c)
    elseif kind == 'A' then
      again = op_arm(a)
    elseif kind == 'X' then
      again = op_link(a)
    elseif kind == 'D' then
      again = op_remove(a, b)
    end
    if again and (where or 0) > 0 then
      call('LINSERT', P .. 'ops', 'AFTER', call('LINDEX', P .. 'ops', where - 1), again)
    elseif again then
      call(where == -1 and 'RPUSH' or 'LPUSH', P .. 'ops', again)
    end
    follow()
    if where == -1 then return end
  end
end

-- ---------------------------------------------------------------------------------------------- claims

-- Parked jobs whose task this worker has.
local function unpark(most)
  local known = {}
  for name in string.gmatch(call('HGET', P .. 'wtasks', worker) or '', '[^\n]+') do known[name] = true end
  local from = tonumber(call('HGET', P .. 'meta', 'parkcursor') or '0')
  local ids = call('ZRANGE', P .. 'park', from, from + STEP - 1)
  call('HSET', P .. 'meta', 'parkcursor', #ids == STEP and from + STEP or 0)
  if #ids == 0 then return {} end
  local tasks, mine = call('HMGET', P .. 'parked', unpack(ids)), {}
  for i = 1, #ids do
    if #mine < most and tasks[i] and known[tasks[i]] then mine[#mine + 1] = ids[i] end
  end
  return mine
end

local claims = {}

local function give(ids, popped)
  if #ids == 0 then return end
  load(ids)
  local payloads = call('HMGET', P .. 'data', unpack(ids))
  local until_ = fmt('%.0f', now + lease)
  for i = 1, #ids do
    local id = ids[i]
    local rec = recs[id]
    if rec then
      local attempt = rec[ATT] + 1
      rec[TOK], rec[WRK], rec[ATT], rec[STA], rec[FIN] = token, worker, fmt('%.0f', attempt), NOW, '0'
      if attempt == 1 then
        if flagged(rec, 'R') and not call('ZSCORE', P .. 'repeats', id) then
          local every = match(call('HGET', P .. 'repeat', id) or '', '^%S+')
          if every then call('ZADD', P .. 'repeats', fmt('%.0f', now + every), id) end
        end
        local ttl = match(rec[TAIL], '^%S+ %S+ %S+ %S+ %S+ %S+ (%S+)')
        if ttl ~= '0' then later(leave, 'ttl', id) end
      end
      move(id, rec, 'a', until_, '', 'w', popped)
      local n = #claims
      claims[n + 1], claims[n + 2], claims[n + 3], claims[n + 4], claims[n + 5] =
        id, payloads[i] or '', attempt, attempt - 1 - rec[STL], rec[FLOW]
    end
  end
end

local function take()
  local ranges = call('EXISTS', P .. 'staging') == 1 and hidden()
  if call('EXISTS', P .. 'park') == 1 then
    local mine = unpark(want)
    give(mine, false)
    want = want - #mine
  end
  if ranges then
    give(visible('w', 0, want, ranges), false)
  else
    local popped = call('ZPOPMIN', P .. 's:w', want)
    local ids = {}
    for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
    give(ids, true)
  end
end

-- ---------------------------------------------------------------------------------------------- the turn

if count > 0 then
  local ids = {}
  for i = 6, 5 + 6 * count, 6 do ids[#ids + 1] = ARGV[i] end
  load(ids)
  for i = 6, 5 + 6 * count, 6 do
    settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 5]))
  end
  follow()
end
promote_delayed()
expire()
reap()
tick()
follow()
pump()
flush_index()
local paused = call('HGET', P .. 'meta', 'paused') == '1'
if want > 0 and not paused then take() end
woken = false
commit(worker)
local more = not paused and call('ZCARD', P .. 's:w') > 0
if more and call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
local next_due = -1
for _, index in ipairs(#claims == 0 and {'s:d', 'repeats', 'ttl', 's:a'} or {'s:d'}) do
  local head = call('ZRANGE', P .. index, 0, 0, 'WITHSCORES')
  if head[2] then
    local wait = math.max(0, head[2] - now)
    if next_due < 0 or wait < next_due then next_due = wait end
  end
end
return {claims, lost, next_due, more and 1 or 0, call('LLEN', P .. 'ops')}
