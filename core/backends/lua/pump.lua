--[[ pump: work off pending steps: the rest of large releases, and what operators do to whole flows.
-- with more.lua

Returns  how many steps are left: call again until 0
]]
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
    local wanted = rec and ENDED[rec[ST]] and wants_retry(rec, mode)
    -- What its end did may still be spreading; undo it only after that.
    local why = wanted and (call('HEXISTS', P .. 'opc', id) == 1 and 'busy' or barred(id, rec))
    if why == 'busy' then return head .. fmt('%.0f', cursor + i - 1), -1 end
    -- What would only be skipped again, for an upstream in another flow, stays as it is.
    if wanted and not why then
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

-- `quiet` when nobody asks how many, as retention does: it would leave a count for every flow that ever was. Then
-- what repeats goes on; who removes a flow by its name stops it.
local function op_remove(flow, left, quiet)
  left = tonumber(left)
  local from = math.max(0, left - 250)
  local ids = call('ZRANGE', P .. 'fj:' .. flow, from, left - 1)
  load(ids)
  budget = budget - #ids
  for i = 1, #ids do
    local rec = recs[ids[i]]
    if rec and quiet == '' then stop_repeat(ids[i], rec) end
    if rec then forget(ids[i], rec) end
  end
  if quiet == '' then call('HINCRBY', P .. 'opres', flow, #ids) end
  flows[flow] = nil -- its counts go with it; to write them would list it as ended again
  if from > 0 then return 'D ' .. flow .. ' ' .. fmt('%.0f', from) .. (quiet == '' and '' or ' ' .. quiet) end
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
      again = op_remove(a, b, c)
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


pump()
commit()
return call('LLEN', P .. 'ops')
