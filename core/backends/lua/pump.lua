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

-- Upstream first, so that each job's counters tell the truth when its turn comes, and only when nothing spreads any
-- more. The second value says how many steps were put in front, which must come before this one goes on; -1: after all
-- others.
local function op_retry(flow, mode, cursor)
  cursor = tonumber(cursor)
  local head = 'Y ' .. flow .. ' ' .. mode .. ' '
  if still_spreads() then return head .. fmt('%.0f', cursor), -1 end
  local ids = call('ZRANGE', P .. 'fj:' .. flow, cursor, cursor + 99)
  load(ids)
  for i = 1, #ids do
    local id, rec = ids[i], recs[ids[i]]
    if budget <= 0 then return head .. fmt('%.0f', cursor + i - 1), 0 end
    budget = budget - 1
    local wanted = rec and ENDED[rec[ST]] and wants_retry(rec, mode)
    -- What would only be skipped again, for an upstream in another flow, stays as it is.
    if wanted and not barred(id, rec) then
      reset(id, rec, mode == 'downstream' and 'V' or 'U', 'retry')
      call('HINCRBY', P .. 'opres', flow, 1)
      local in_front = follow(true)
      if in_front > 0 then return head .. fmt('%.0f', cursor + i), in_front end
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

-- Links of a large flow to jobs of earlier flows: "up down" pairs. The second value is -1 where this has to come after
-- all other steps.
local function op_link(flow)
  local key = P .. 'ext:' .. flow
  local pairs_ = call('ZRANGE', key, 0, 249)
  local ups = {}
  for i = 1, #pairs_ do ups[i] = match(pairs_[i], '^%S+') end
  if spreading(ups) then return 'X ' .. flow, -1 end
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

-- The steps along links at the head of `ops`, many in one go; false where there is none.
local function op_links()
  local steps = {}
  for i, op in ipairs(call('LRANGE', P .. 'ops', 0, 99)) do
    local kind, id, page, was = match(op, '^([RUV]) (%S+) (%S+) (%S+)$')
    if not kind then break end
    steps[i] = {id, tonumber(page), kind, was}
  end
  if #steps == 0 then return false end
  local left = take_steps(steps)
  call('LTRIM', P .. 'ops', left - 1, -1)
  count_steps(steps, 1, left - 1, -1)
  if left <= #steps then call('LSET', P .. 'ops', 0, step_text(steps[left])) end
  follow()
  return true
end

local function pump()
  while budget > 0 do
    while budget > 0 and op_links() do end
    local op = budget > 0 and call('LPOP', P .. 'ops')
    if not op then return end
    local kind, a, b, c = match(op, '^(%S) (%S+) ?(%S*) ?(%S*)$')
    local again, where
    if kind == 'C' then
      again = op_cancel(a, b)
    elseif kind == 'Y' then
      again, where = op_retry(a, b, c)
    elseif kind == 'A' then
      again = op_arm(a)
    elseif kind == 'X' then
      again, where = op_link(a)
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
