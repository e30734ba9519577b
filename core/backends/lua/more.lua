--[[ What the rarer scripts share: adding, steering, removing. It follows lib.lua where a script asks for it with
"-- with more.lua" in its first comment; turn.lua does without, because every function costs each call its creation.
]]
-- `down` waits for `up`, which has not ended.
local function link_below(up, above, down)
  local page = math.floor(above[NDN] / PAGE)
  local field = page == 0 and up or up .. ':' .. fmt('%.0f', page)
  local text = call('HGET', P .. 'down', field)
  call('HSET', P .. 'down', field, text and (text .. ' ' .. down) or down)
  above[NDN] = fmt('%.0f', above[NDN] + 1)
  dirty[up] = true
end

-- Whether what became of some job is still on its way to those below it (see `follow`).
local function still_spreads()
  if call('EXISTS', P .. 'opc') == 0 then return false end
  if call('LLEN', P .. 'ops') > 0 then return true end
  call('UNLINK', P .. 'opc') -- nothing is pending: the count is wrong, and nobody must wait for it
  return false
end

-- Whether that is so of one of these jobs: it would also reach a link that is made now, which counts that job as it
-- stands.
local function spreading(ids)
  if #ids == 0 or not still_spreads() then return false end
  for first = 1, #ids, STEP do
    local counts = call('HMGET', P .. 'opc', unpack(ids, first, math.min(first + STEP - 1, #ids)))
    for k = 1, #counts do
      if counts[k] then return true end
    end
  end
  return false
end

-- Who holds a job for retention: its flow, or it alone.
local function owner(id, rec)
  return rec[FLOW] == '-' and 'j:' .. id or 'f:' .. rec[FLOW]
end

local function pages(column, id, count)
  for page = 0, math.max(0, math.ceil(count / PAGE) - 1) do
    later(drop, column, page == 0 and id or id .. ':' .. fmt('%.0f', page))
  end
end

-- Nothing of the job stays. `silent` is for jobs that nobody ever saw.
local function forget(id, rec, silent)
  pin(id, rec, false)
  local _, _, _, ups, _, _, ttl = tail(rec)
  later(leave, rec[ST], id)
  for _, column in ipairs({'jobs', 'data', 'result', 'error', 'prog', 'logn'}) do later(drop, column, id) end
  if ups > 0 then
    pages('up', id, ups)
    later(drop, 'up', id .. ':pins')
  end
  pages('down', id, tonumber(rec[NDN]))
  if ttl > 0 then later(leave, 'ttl', id) end
  if rec[FLOW] == '-' then later(leave, 'ended', 'j:' .. id) end
  -- What repeats and has begun goes on until it is stopped.
  if flagged(rec, 'R') and not call('ZSCORE', P .. 'repeats', id) then later(drop, 'repeat', id) end
  call('DEL', P .. 'log:' .. id)
  if not silent then
    bump(rec[FLOW], rec[ST], -1)
    lines[#lines + 1] = id .. ' ' .. rec[ST] .. '-- ' .. rec[ATT] .. ' ' .. rec[FLOW] .. ' removed'
  end
  recs[id], dirty[id] = false, nil
end

local function stop_repeat(id, rec)
  if flagged(rec, 'R') then
    call('ZREM', P .. 'repeats', id)
    call('HDEL', P .. 'repeat', id)
  end
end

local function cancel(id, rec)
  stop_repeat(id, rec)
  if rec[ST] == 'a' then
    flag(id, rec, 'C', true)
  else
    finish(id, rec, 'x', 'cancelled')
  end
end

-- A job as it is added: `ups` upstreams, `pending` and `bad` of them as told by the caller.
local function newborn(flow, order, spec, ups, pending, bad, downs, flags, initial)
  local trigger, priority, stalls, delay, ttl = match(spec, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  if ttl ~= '0' then flags = flags .. 'T' end
  if flags == '' then flags = '-' end
  return {'-', '-', '-', '0', '0', pending, bad, downs, flags, '0', '0', '-', flow,
    order .. ' ' .. priority .. ' ' .. trigger .. ' ' .. ups .. ' ' .. stalls .. ' ' .. delay .. ' ' .. ttl .. ' ' .. NOW .. ' ' .. initial}
end

local function count_words(text)
  local n = 0
  for _ in string.gmatch(text, '[^ ]+') do n = n + 1 end
  return n
end

-- The jobs of earlier flows that `id` needs are held back until it has ended.
local function pin_names(names)
  local seen, out = {}, {}
  for i = 1, #names do
    if not seen[names[i]] then
      seen[names[i]] = true
      out[#out + 1] = names[i]
    end
  end
  return concat(out, ' ')
end

-- Why an ended job that is to run again would only be skipped, nil when it would not. Asked only when nothing spreads
-- any more: only then do the counters of every job tell the truth.
local function barred(id, rec)
  return verdict(rec) == 'skip' and skip_reason(root_of(culprit(id, rec))) or nil
end

-- An ended job runs again, as if it had never started; `kind` says how what is below it hears of that.
local function reset(id, rec, kind, reason)
  local was = rec[ST]
  rec[ATT], rec[STL], rec[TOK], rec[WRK], rec[STA], rec[FIN], rec[CAU] = '0', '0', '-', '-', '0', '0', '-'
  flag(id, rec, 'C', false)
  flag(id, rec, 'Y', false)
  flag(id, rec, 'E', false)
  later(drop, 'result', id)
  later(drop, 'error', id)
  later(drop, 'prog', id)
  if rec[FLOW] == '-' then later(leave, 'ended', 'j:' .. id) end
  if flagged(rec, 'P') then unpins[#unpins + 1] = id end
  local _, _, _, _, _, _, ttl = tail(rec)
  if ttl > 0 then later(enter, 'ttl', fmt('%.0f', now + ttl), id) end
  if tonumber(rec[NDN]) > 0 then work[#work + 1] = {id, 0, kind, was} end
  again(id, rec, reason)
end
