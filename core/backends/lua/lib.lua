--[[ What every script of a queue shares; it is put in front of each of them.

KEYS[1]  "flowtui:{QUEUE}:", the prefix of every key of the queue. The braces keep a queue on one node of a cluster.

Keys, each after the prefix (core/README.md has the same list with the reasons):
  meta      hash    order (last submission number), seq (last event), paused
  jobs      hash    id -> record, see below
  data      hash    id -> payload, opaque
  result    hash    id -> result, opaque          error  hash  id -> error, opaque
  up, down  hash    id -> ids it waits for / that wait for it, 250 a page; page k > 0 under "id:k"
  s:w s:b s:d s:a s:c s:f s:k s:x s:e
            zset    one index per state: waiting (by priority, then submission), blocked (by submission), delayed
                    (by due time), active (by end of lease), completed, failed, skipped, cancelled, expired (by end)
  ttl       zset    id -> when it expires unless started
  park      zset    waiting jobs that no worker here knew; parked hash id -> task
  flow      hash    flow id -> flow record         flows  zset  flow id -> created
  about     hash    flow id -> digest, newline, name
  fj:FLOW   zset    the flow's job ids by submission
  ended     zset    "f:FLOW" or "j:ID" -> when it ended, for retention
  pins      hash    "f:FLOW" or "j:ID" -> how many unfinished jobs of other flows need it
  ops       list    steps that go on in later calls, first in first out; opc hash id -> its steps in there
  staging   hash    flow id -> a flow that is being written and that nobody sees yet
  repeats   zset    id -> next tick; repeat hash id -> what to enqueue
  ev        stream  events, many to an entry; an entry's id is the seq of its last event
  wake      list    holds one token when an idle worker should look
  workers, seen, wtasks, prog, logn, log:ID, declared   see the scripts that write them

A record is one line of fields parted by blanks; "-" stands for none, times are milliseconds:
  state token worker attempts stalls pending bad downs flags started finished cause flow | order priority trigger ups
  max_stalls delay ttl created initial
The part after the bar never changes (but ups, by add_dependencies) and is kept as one string.

A script reads and decides first (`load`, `move`), and writes at the end (`flush_index`, `commit`): indexes are left
before they are entered, so that the first write frees memory and a full server can still be drained.
]]
local P = KEYS[1]
local call = redis.call
local concat, match, sub, find, fmt = table.concat, string.match, string.sub, string.find, string.format

local ST, TOK, WRK, ATT, STL, PEND, BAD, NDN, FLG, STA, FIN, CAU, FLOW, TAIL = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
local SHAPE = '^([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) (.*)$'
local COUNTS = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$'
local TAILSHAPE = '^([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+)$'
local STEP = 500            -- most jobs that one call works on beside its own batch
local PAGE = 250            -- ids in one page of up or down, most links that one call follows
local EVENTS_KEPT = 50000
local STATES = {'b', 'w', 'd', 'a', 'c', 'f', 'k', 'x', 'e'}
local ENDED = {c = true, f = true, k = true, x = true, e = true}

local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local NOW = fmt('%.0f', now)

local recs = {}             -- id -> record, false where there is none
local dirty = {}            -- id -> true: record to be written
local leave, enter = {}, {} -- state -> ids to take out of its index; state -> score, id, score, id ...
local drop = {}             -- key -> fields to delete from that hash
local put = {}              -- key -> field, value, ... to set in that hash
local lines = {}            -- events of this call
local flows = {}            -- flow id -> state -> change of its count
local unpins = {}           -- jobs that ended or run again, and need jobs of other flows
local work = {}             -- links to be followed: {id, first page, kind, was}
local budget = PAGE
local looks = STEP          -- upstreams to be looked at for a cause
local woken = false         -- some job became waiting
local moved = {}            -- id -> true: jobs that have moved since the indexes were written
local passed = false        -- some job has done so more than once
local calm = false          -- nothing is delayed, expires, repeats, is parked, staged or pending: a busy queue asks once
local soon = false          -- some job was delayed by this call, or may expire again

-- All that follows, with the script itself, is one function (closed by who puts them together): each function below then
-- finds what stands above at once, where Lua would search all variables in use for each of them, in every call.
return (function()

local function parse(text)
  if not text then return false end
  return {match(text, SHAPE)}
end

-- Order, priority, trigger, ups, max_stalls, delay, ttl, created, initial: the unchanging part, taken apart.
local function tail(rec)
  local order, priority, trigger, ups, stalls, delay, ttl, created, initial = match(rec[TAIL], TAILSHAPE)
  return order, priority, trigger, tonumber(ups), tonumber(stalls), tonumber(delay), tonumber(ttl), created, initial
end

local function load(ids)
  local missing = {}
  for i = 1, #ids do
    if recs[ids[i]] == nil then missing[#missing + 1] = ids[i] end
  end
  for i = 1, #missing, STEP do
    local last = math.min(i + STEP - 1, #missing)
    local texts = call('HMGET', P .. 'jobs', unpack(missing, i, last))
    for k = i, last do recs[missing[k]] = parse(texts[k - i + 1]) end
  end
end

local function get(id)
  if recs[id] == nil then recs[id] = parse(call('HGET', P .. 'jobs', id)) end
  return recs[id]
end

-- Remember one or two values to be written at the end.
local function later(where, key, a, b)
  local list = where[key]
  if not list then list = {}; where[key] = list end
  local n = #list
  list[n + 1] = a
  if b ~= nil then list[n + 2] = b end
end

local function chunks(command, key, list)
  for i = 1, #list, 2 * STEP do call(command, key, unpack(list, i, math.min(i + 2 * STEP - 1, #list))) end
end

-- The waiting index sorts by priority, then by submission: both fit exactly into a double.
local function wait_score(rec)
  local order, priority = match(rec[TAIL], '^([^ ]+) ([^ ]+)')
  return fmt('%.0f', priority * 17592186044416 + order)
end

local function bump(flow, state, by)
  if flow ~= '-' and state ~= '-' then
    local counts = flows[flow]
    if not counts then counts = {}; flows[flow] = counts end
    counts[state] = (counts[state] or 0) + by
  end
end

-- THE place where a job's state changes: index, flow, event and record go together. `who` is 'w' for the calling worker.
-- `popped` says that the caller has taken the id out of its index already.
local function move(id, rec, to, score, reason, who, popped)
  local from, flow = rec[ST], rec[FLOW]
  if from ~= '-' and not popped then later(leave, from, id) end
  later(enter, to, score, id)
  if to == 'd' then soon = true end
  if flow ~= '-' then
    bump(flow, from, -1)
    bump(flow, to, 1)
  end
  rec[ST] = to
  if moved[id] then passed = true end
  moved[id], dirty[id] = true, true
  lines[#lines + 1] = id .. ' ' .. from .. to .. (who or '-') .. ' ' .. rec[ATT] .. ' ' .. flow .. ' ' .. (reason or '')
end

local function flagged(rec, letter) return find(rec[FLG], letter, 1, true) end

local function flag(id, rec, letter, on)
  local has = flagged(rec, letter)
  if on and not has then
    rec[FLG] = (rec[FLG] == '-' and '' or rec[FLG]) .. letter
  elseif not on and has then
    rec[FLG] = string.gsub(rec[FLG], letter, '')
    if rec[FLG] == '' then rec[FLG] = '-' end
  end
  dirty[id] = true
end

local function to_waiting(id, rec, reason, who)
  move(id, rec, 'w', wait_score(rec), reason, who)
  woken = true
end

-- The job may start: now, or after its delay, which one that has started before does not wait for again.
local function ready(id, rec, reason)
  local _, _, _, _, _, delay = tail(rec)
  if delay > 0 and rec[ATT] == '0' then
    move(id, rec, 'd', fmt('%.0f', now + delay), reason)
    woken = true
  else
    to_waiting(id, rec, reason)
  end
end

-- A job that needs jobs of other flows (flag P) holds them back from removal while it has not ended (flag H).
local function pin(id, rec, on)
  if flagged(rec, 'P') and (on and not flagged(rec, 'H') or not on and flagged(rec, 'H')) then
    flag(id, rec, 'H', on)
    for name in string.gmatch(call('HGET', P .. 'up', id .. ':pins') or '', '[^ ]+') do
      if call('HINCRBY', P .. 'pins', name, on and 1 or -1) <= 0 then call('HDEL', P .. 'pins', name) end
    end
  end
end

-- The job has ended in state `to`; what waits for it hears of it by `follow`.
local function finish(id, rec, to, reason, who)
  rec[FIN] = NOW
  move(id, rec, to, NOW, reason, who)
  if rec[FLOW] == '-' then later(enter, 'ended', NOW, 'j:' .. id) end
  if rec[NDN] ~= '0' then work[#work + 1] = {id, 0, 'R', to} end
  if rec[FLG] ~= '-' then
    if flagged(rec, 'T') then later(leave, 'ttl', id) end
    if flagged(rec, 'P') then unpins[#unpins + 1] = id end
  end
end

-- What the trigger says over the outcomes so far: 'go', 'skip', or nil for wait.
local function verdict(rec)
  local trigger, ups = match(rec[TAIL], '^[^ ]+ [^ ]+ ([^ ]+) ([^ ]+)')
  local pending, bad = tonumber(rec[PEND]), tonumber(rec[BAD])
  if trigger == 'S' then
    if bad > 0 then return 'skip' end
    if pending == 0 then return 'go' end
  elseif trigger == 'D' then
    if pending == 0 then return 'go' end
  elseif trigger == 'O' then
    if ups - pending - bad > 0 then return 'go' end
    if pending == 0 then return 'skip' end
  else
    if bad > 0 then return 'go' end
    if pending == 0 then return 'skip' end
  end
  return nil
end

-- The first upstream that did not complete; '-' for none, or where this call has looked at enough.
local function culprit(id, rec)
  local page = 0
  while rec[BAD] ~= '0' and looks > 0 do
    local text = call('HGET', P .. 'up', page == 0 and id or id .. ':' .. fmt('%.0f', page))
    if not text then break end
    local ups = {}
    for up in string.gmatch(text, '[^ ]+') do ups[#ups + 1] = up end
    load(ups)
    looks, page = looks - #ups, page + 1
    for i = 1, #ups do
      local above = recs[ups[i]]
      if above and above[ST] ~= 'c' and ENDED[above[ST]] then return ups[i] end
    end
  end
  return '-'
end

-- What made the upstream fail to complete: itself, or what it was skipped for.
local function root_of(up)
  local above = up ~= '-' and get(up)
  return above and above[ST] == 'k' and above[CAU] ~= '-' and above[CAU] or up
end

local function skip_reason(root)
  return root == '-' and 'its trigger can no longer hold' or 'upstream ' .. root .. ' did not complete'
end

-- Its counters changed: bring a job that has not started into the state that they ask for.
local reconsider
function reconsider(id, rec, upstream)
  local state = rec[ST]
  if state == 'b' then
    local says = verdict(rec)
    if says == 'go' then
      ready(id, rec, '')
    elseif says == 'skip' then
      rec[CAU] = root_of(upstream and upstream[2] ~= 'c' and upstream[1] or culprit(id, rec))
      local root = rec[CAU]
      finish(id, rec, 'k', skip_reason(root))
    end
  elseif state == 'k' then
    local says = verdict(rec)
    if says ~= 'skip' then
      rec[CAU], rec[FIN] = '-', '0'
      if rec[FLOW] == '-' then later(leave, 'ended', 'j:' .. id) end
      if flagged(rec, 'P') then unpins[#unpins + 1] = id end
      if flagged(rec, 'T') then
        local _, _, _, _, _, _, ttl = tail(rec)
        later(enter, 'ttl', fmt('%.0f', now + ttl), id)
        soon = true
      end
      move(id, rec, 'b', match(rec[TAIL], '^[^ ]+'), 'an upstream runs again')
      if tonumber(rec[NDN]) > 0 then work[#work + 1] = {id, 0, flagged(rec, 'Y') and 'V' or 'U', 'k'} end
      if says == 'go' then ready(id, rec, '') end
    end
  elseif (state == 'w' or (state == 'd' and rec[ATT] == '0')) and verdict(rec) ~= 'go' then
    move(id, rec, 'b', match(rec[TAIL], '^[^ ]+'), 'an upstream is not done')
    reconsider(id, rec, upstream)
  end
end

-- A job that has started comes back to be started again; should an upstream run again meanwhile, it waits for that.
local function again(id, rec, reason, who)
  if verdict(rec) == 'go' then
    to_waiting(id, rec, reason, who)
  else
    move(id, rec, 'b', match(rec[TAIL], '^[^ ]+'), reason, who)
    reconsider(id, rec, nil)
  end
end

-- The page of links that each step of `list` from `first` on follows next: as many steps as the budget may reach, at
-- least one, read in two calls. A step is {id, page, kind, was}.
local function ahead(list, first)
  local ids, fields, links = {}, {}, 0
  for k = first, math.min(#list, first + STEP - 1) do ids[#ids + 1] = list[k][1] end
  load(ids)
  for k = 1, #ids do
    local page, rec = list[first + k - 1][2], recs[ids[k]]
    fields[k] = page == 0 and ids[k] or ids[k] .. ':' .. fmt('%.0f', page)
    links = links + math.min(PAGE, rec and rec[NDN] - page * PAGE or 0)
    if links >= budget then break end
  end
  local texts = call('HMGET', P .. 'down', unpack(fields))
  local below, all = {}, {}
  for k = 1, #fields do
    local page = {}
    for each in string.gmatch(texts[k] or '', '[^ ]+') do
      page[#page + 1] = each
      all[#all + 1] = each
    end
    below[k] = page
  end
  load(all)
  return below
end

-- Follow one page of the links below a job that ended ('R') or runs again ('U': undo what its end in state `was` did;
-- 'V' besides marks what is below it in its flow, for retry_flow).
local function follow_page(id, below, kind, was)
  budget = budget - #below
  local step = kind == 'R' and -1 or 1
  local flow = kind == 'V' and (get(id) or {})[FLOW]
  for i = 1, #below do
    local each = below[i]
    local rec = recs[each]
    if rec then
      rec[PEND] = fmt('%d', rec[PEND] + step)
      if was ~= 'c' then rec[BAD] = fmt('%d', rec[BAD] - step) end
      dirty[each] = true
      if flow and rec[FLOW] == flow then flag(each, rec, 'Y', true) end
      reconsider(each, rec, {id, was})
    end
  end
end

-- Take the steps of `list` as far as the budget goes; the place of the first that is not done. A step that has more
-- pages is put forward in its place. What `held(id)` holds back goes to `rest` instead.
local function take_steps(list, held, rest)
  local i = 1
  while i <= #list and budget > 0 do
    local below = ahead(list, i)
    for k = 1, #below do
      if budget <= 0 then break end
      local step = list[i]
      local id, page = step[1], step[2]
      if held and held(id) then
        rest[#rest + 1] = step
      else
        local rec = recs[id]
        local pages = math.ceil((rec and tonumber(rec[NDN]) or 0) / PAGE)
        if page < pages then follow_page(id, below[k], step[3], step[4]) end
        step[2] = page + 1
        if step[2] < pages then break end
      end
      i = i + 1
    end
  end
  return i
end

local function queue_op(text)
  calm = false
  call('RPUSH', P .. 'ops', text)
end

-- How many steps of each job are pending: `by` more for every one of these.
local function count_steps(steps, from, to, by)
  local change, ids = {}, {}
  for k = from, to do
    local id = steps[k][1]
    if not change[id] then ids[#ids + 1] = id end
    change[id] = (change[id] or 0) + by
  end
  for first = 1, #ids, STEP do
    local last = math.min(first + STEP - 1, #ids)
    local counts, set, gone = call('HMGET', P .. 'opc', unpack(ids, first, last)), {}, {}
    for k = first, last do
      local count = (tonumber(counts[k - first + 1]) or 0) + change[ids[k]]
      if count > 0 then
        set[#set + 1] = ids[k]
        set[#set + 1] = fmt('%.0f', count)
      else
        gone[#gone + 1] = ids[k]
      end
    end
    if #gone > 0 then call('HDEL', P .. 'opc', unpack(gone)) end
    if #set > 0 then call('HSET', P .. 'opc', unpack(set)) end
  end
end

local function step_text(step)
  return step[3] .. ' ' .. step[1] .. ' ' .. fmt('%.0f', step[2]) .. ' ' .. step[4]
end

-- Work off `work` as far as the budget goes; the rest becomes durable steps, in order: behind all others, or `first`
-- in front of them, and then the answer is how many.
-- A job that already has such steps gets its new ones behind them.
local function follow(first)
  local rest, held = {}, nil
  if not calm and call('LLEN', P .. 'ops') > 0 then
    held = function(id) return call('HEXISTS', P .. 'opc', id) == 1 end
  end
  for k = take_steps(work, held, rest), #work do rest[#rest + 1] = work[k] end
  work = {}
  if #rest > 0 then
    calm = false
    count_steps(rest, 1, #rest, 1)
    local texts = {}
    for k = 1, #rest do texts[k] = step_text(rest[first and #rest + 1 - k or k]) end
    chunks(first and 'LPUSH' or 'RPUSH', P .. 'ops', texts)
  end
  return #rest
end

local function index_of(name)
  return #name == 1 and P .. 's:' .. name or P .. name
end

-- Write the changes of the indexes. Leaving comes first: see the head of this file.
local function flush_index()
  if leave.w and not calm and call('EXISTS', P .. 'park') == 1 then
    chunks('ZREM', P .. 'park', leave.w)
    chunks('HDEL', P .. 'parked', leave.w)
  end
  for name, ids in pairs(leave) do chunks('ZREM', index_of(name), ids) end
  for name, scored in pairs(enter) do
    if passed then
      -- What moved on within this call must not be left behind in an index that it only passed through.
      local kept, n = {}, 0
      for i = 1, #scored, 2 do
        local rec = recs[name == 'ended' and match(scored[i + 1], '^j:(.*)') or scored[i + 1]]
        local state = rec and rec[ST]
        if (#name > 1 or state == name) and (name ~= 'ttl' or not ENDED[state]) and
          (name ~= 'ended' or not rec or ENDED[state]) then
          kept[n + 1], kept[n + 2] = scored[i], scored[i + 1]
          n = n + 2
        end
      end
      scored = kept
    end
    if #scored > 0 then chunks('ZADD', index_of(name), scored) end
  end
  leave, enter, moved, passed = {}, {}, {}, false
end

-- A flow record: state created started finished, then the count of each state in the order of STATES.
local function flow_counts(text)
  local state, created, started, finished, counts = match(text, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
  local by, i = {}, 0
  for count in string.gmatch(counts, '%S+') do
    i = i + 1
    by[STATES[i]] = tonumber(count)
  end
  return state, created, started, finished, by
end

local function flow_text(state, created, started, finished, by)
  local out = {state, created, started, finished}
  for i = 1, #STATES do out[4 + i] = fmt('%.0f', by[STATES[i]] or 0) end
  return concat(out, ' ')
end

local function write_flows()
  local ids = {}
  for id in pairs(flows) do ids[#ids + 1] = id end
  if #ids == 0 then return end
  table.sort(ids)
  for first = 1, #ids, STEP do
    local last = math.min(first + STEP - 1, #ids)
    local texts = call('HMGET', P .. 'flow', unpack(ids, first, last))
    local out = {}
    for k = first, last do
      local text = texts[k - first + 1]
      if text then
        -- Not by `flow_counts` and `flow_text`: most counts stay as they are, and to write a number takes its time.
        local state, created, started, finished, counts = match(text, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
        local by = {}
        by.b, by.w, by.d, by.a, by.c, by.f, by.k, by.x, by.e = match(counts, COUNTS)
        for each, change in pairs(flows[ids[k]]) do
          if change ~= 0 then by[each] = fmt('%d', by[each] + change) end
        end
        if started == '0' and by.a ~= '0' then started = NOW end
        if by.b ~= '0' or by.w ~= '0' or by.d ~= '0' or by.a ~= '0' then
          if state ~= 'running' then
            state, finished = 'running', '0'
            later(leave, 'ended', 'f:' .. ids[k])
          end
        else
          state = (by.f ~= '0' or by.e ~= '0') and 'failed' or (by.x ~= '0' and 'cancelled' or 'completed')
          finished = NOW
          later(enter, 'ended', NOW, 'f:' .. ids[k])
        end
        out[#out + 1] = ids[k]
        out[#out + 1] = concat({state, created, started, finished, by.b, by.w, by.d, by.a, by.c, by.f, by.k, by.x, by.e}, ' ')
      end
    end
    if #out > 0 then call('HSET', P .. 'flow', unpack(out)) end
  end
  flows = {}
end

-- Publish: `count` events under consecutive numbers, as one entry of the stream.
local function publish(count, ...)
  local seq = call('HINCRBY', P .. 'meta', 'seq', count)
  call('XADD', P .. 'ev', 'MINID', '~', fmt('%.0f', math.max(0, seq - EVENTS_KEPT)), fmt('%.0f-0', seq),
    't', NOW, 'n', count, ...)
end

local function flush_put()
  for key, fields in pairs(put) do chunks('HSET', P .. key, fields) end
  put = {}
end

-- Everything decided becomes true.
local function commit(worker)
  flush_index()
  flush_put()
  for i = 1, #unpins do pin(unpins[i], recs[unpins[i]], not ENDED[recs[unpins[i]][ST]]) end
  for key, fields in pairs(drop) do chunks('HDEL', P .. key, fields) end
  local out = {}
  for id in pairs(dirty) do
    if recs[id] then
      out[#out + 1] = id
      out[#out + 1] = concat(recs[id], ' ')
    end
  end
  chunks('HSET', P .. 'jobs', out)
  write_flows()
  flush_index()
  for i = 1, #lines, 2 * STEP do
    local last = math.min(i + 2 * STEP - 1, #lines)
    publish(last - i + 1, 'w', worker or '-', 'e', concat(lines, '\n', i, last))
  end
  if woken and call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
  dirty, drop, lines, unpins, woken = {}, {}, {}, {}, false
end

-- Submission numbers of flows that are being written: lowest, highest, priorities. Sorted by lowest.
local function hidden()
  local all = call('HGETALL', P .. 'staging')
  local ranges = {}
  for i = 2, #all, 2 do
    local base, count, priorities = match(all[i], '^(%S+) (%S+) (%S+)')
    ranges[#ranges + 1] = {tonumber(base) + 1, tonumber(base) + count, priorities}
  end
  table.sort(ranges, function(x, y) return x[1] < y[1] end)
  return ranges
end

local function is_hidden(rec, ranges)
  local order = tonumber(match(rec[TAIL], '^[^ ]+'))
  for i = 1, #ranges do
    if order >= ranges[i][1] and order <= ranges[i][2] then return true end
  end
  return false
end

-- The gaps between hidden parts of an index, as score limits; priorities matter for the waiting index only.
local function visible_spans(state, ranges)
  local walls = {}
  for i = 1, #ranges do
    if state == 'w' then
      for priority in string.gmatch(ranges[i][3], '[^,]+') do
        local shift = priority * 17592186044416
        walls[#walls + 1] = {shift + ranges[i][1], shift + ranges[i][2]}
      end
    else
      walls[#walls + 1] = ranges[i]
    end
  end
  table.sort(walls, function(x, y) return x[1] < y[1] end)
  local spans, low = {}, '-inf'
  for i = 1, #walls do
    spans[#spans + 1] = {low, fmt('(%.0f', walls[i][1])}
    low = fmt('(%.0f', walls[i][2])
  end
  spans[#spans + 1] = {low, '+inf'}
  return spans
end

-- Ids of an index by rank, without what nobody may see yet.
local function visible(state, offset, limit, ranges)
  local out = {}
  for _, span in ipairs(visible_spans(state, ranges)) do
    if limit <= 0 then break end
    local count = call('ZCOUNT', P .. 's:' .. state, span[1], span[2])
    if offset >= count then
      offset = offset - count
    else
      local ids = call('ZRANGEBYSCORE', P .. 's:' .. state, span[1], span[2], 'LIMIT', offset, limit)
      for i = 1, #ids do out[#out + 1] = ids[i] end
      limit, offset = limit - #ids, 0
    end
  end
  return out
end
