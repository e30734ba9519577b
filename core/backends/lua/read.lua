--[[ read: records of jobs, in one answer.

ARGV  "ids", wanted, id ...                       these jobs
      "page", wanted, where, offset, limit, reverse  a page: where is waiting, ready, a state's letter, "all" or "flow:ID",
                                                     in the order of base.Watching.list_jobs; reverse is 1 for the other
      "scan", wanted, where, offset, look, reverse, most, now, clues
                                                     of the `look` jobs of such a page, those that have every clue, at
                                                     most `most` of them; now is a time in ms, clues is JSON: a list of
                                                     [what, words] or [what, [least, most] ], see base.Clue
      wanted is letters: r results, u upstream ids
Returns  for each job: id, record, payload, error or "", progress or "", score in its index or "", result or "", upstreams or "".
         "scan" has one value in front: how many jobs were looked at; fewer than `look` where they are large, or many
         fit, or the list ends; 0 only behind its end.
]]
local how, wanted = ARGV[1], ARGV[2]
local ranges = call('EXISTS', P .. 'staging') == 1 and hidden() or {}
local ids = {}

local function size(name)
  if name == 'w' or name == 'b' then
    local n = 0
    for _, span in ipairs(visible_spans(name, ranges)) do n = n + call('ZCOUNT', P .. 's:' .. name, span[1], span[2]) end
    return n
  end
  return call('ZCARD', name == 'park' and P .. name or P .. 's:' .. name)
end

local function part(name, offset, limit, down)
  -- Where nothing is hidden, ranks are what they are: a step to the millionth job costs no more than one to the tenth.
  if (name == 'w' or name == 'b') and #ranges > 0 then
    if down then
      local n = size(name)
      local last = n - offset
      local from = math.max(0, last - limit)
      local found, out = visible(name, from, math.max(0, last - from), ranges), {}
      for i = #found, 1, -1 do out[#out + 1] = found[i] end
      return out
    end
    return visible(name, offset, limit, ranges)
  end
  return call(down and 'ZREVRANGE' or 'ZRANGE', name == 'park' and P .. name or P .. 's:' .. name, offset, offset + limit - 1)
end

if how == 'ids' then
  for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
else
  local where, offset, limit, reverse = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
  if sub(where, 1, 5) == 'flow:' then
    if call('HEXISTS', P .. 'flow', sub(where, 6)) == 1 then
      ids = call(reverse and 'ZREVRANGE' or 'ZRANGE', P .. 'fj:' .. sub(where, 6), offset, offset + limit - 1)
    end
  else
    local parts = ({waiting = {'w', 'park', 'b'}, ready = {'w', 'park'},
      all = {'a', 'w', 'park', 'd', 'b', 'f', 'e', 'x', 'k', 'c'}})[where] or {where}
    if reverse then
      -- Of "all" the states keep their order: only what is waiting has two parts.
      if where == 'all' then
        parts[2], parts[3] = parts[3], parts[2]
      else
        parts[1], parts[#parts] = parts[#parts], parts[1]
      end
    end
    for i = 1, #parts do
      if limit <= 0 then break end
      local n = size(parts[i])
      if offset >= n then
        offset = offset - n
      else
        local found = part(parts[i], offset, limit, (ENDED[parts[i]] and true or false) ~= reverse)
        for k = 1, #found do ids[#ids + 1] = found[k] end
        limit, offset = limit - #found, 0
      end
    end
  end
end
local out = {}
if how == 'scan' then
  local clues, most = cjson.decode(ARGV[9]), tonumber(ARGV[7])
  local at = tonumber(ARGV[8])
  local about = {}
  local ALIKE = {'\\u00df', '\\u01', '\\u1e9', '\\u212', '\\ufb0'}
  local BEYOND = '[\128-\255]'
  local texts_asked = false
  for i = 1, #clues do texts_asked = texts_asked or clues[i][1] == 'text' end
  local errors_kept = texts_asked and call('HLEN', P .. 'error') > 0

  -- Letters that are not ASCII but equal to some when case is ignored (the long s, the Kelvin sign, ligatures): JSON
  -- writes all of them in one of the ways of ALIKE. Text that has any is left to the reader, and so are bytes
  -- beyond ASCII, which only what is not JSON can have.
  local function unsure(text)
    if not find(text, '\\u', 1, true) then return false end
    for i = 1, #ALIKE do
      if find(text, ALIKE[i], 1, true) then return true end
    end
    return false
  end

  local function has(text, words)
    for i = 1, #words do
      if find(text, words[i], 1, true) then return true end
    end
    return false
  end

  local function figure(what, rec)
    local started, finished = tonumber(rec[STA]), tonumber(rec[FIN])
    if what == 'try' then return tonumber(rec[ATT]) end
    if what == 'stalls' then return tonumber(rec[STL]) end
    local _, priority, _, _, _, _, _, created = tail(rec)
    if what == 'priority' then return tonumber(priority) end
    local ended = finished > 0 and finished or at
    if what == 'age' then return (at - created) / 1000 end
    if what == 'wait' then return ((started > 0 and started or ended) - created) / 1000 end
    return started > 0 and (ended - started) / 1000
  end

  local function fits(id, text, payload, err)
    local state, hay, rec = sub(text, 1, 1)
    for i = 1, #clues do
      local what, limits = clues[i][1], clues[i][2]
      if what == 'text' then
        -- Why it was skipped, cancelled or expired is said by the reader, in words that are kept nowhere.
        if state ~= 'k' and state ~= 'x' and state ~= 'e' then
          hay = hay or string.lower((payload or '') .. ' ' .. id .. ' ' .. text .. ' ' .. (err or ''))
          if not has(hay, limits) and not unsure(hay) and not find(id, BEYOND) and not find(text, BEYOND)
            and not find(err or '', BEYOND) then
            return false
          end
        end
      elseif what == 'flow' then
        local flow = match(text, '^' .. string.rep('[^ ]+ ', 12) .. '([^ ]+)')
        if flow == '-' then return false end
        about[flow] = about[flow] or string.lower(flow .. ' ' .. (call('HGET', P .. 'about', flow) or ''))
        if not has(about[flow], limits) and not find(about[flow], BEYOND) then return false end
      else
        rec = rec or parse(text)
        local have = figure(what, rec)
        if not have or have < limits[1] or have > limits[2] then return false end
      end
    end
    return true
  end

  local found, looked, step, bytes = {}, 0, 50, 0
  while looked < #ids and #found < most and bytes < 500000 do
    local first, last = looked + 1, math.min(looked + step, #ids)
    local texts = call('HMGET', P .. 'jobs', unpack(ids, first, last))
    local payloads = texts_asked and call('HMGET', P .. 'data', unpack(ids, first, last)) or {}
    local errors = errors_kept and call('HMGET', P .. 'error', unpack(ids, first, last)) or {}
    local before = bytes
    for i = 1, last - first + 1 do
      if #found >= most then break end
      looked = looked + 1
      local id, text, payload, err = ids[first + i - 1], texts[i], payloads[i], errors[i]
      bytes = bytes + 300 + #(payload or '') + #(err or '')
      if text and fits(id, text, payload, err) then found[#found + 1] = id end
    end
    step = math.max(1, math.min(200, math.floor(step * 60000 / (bytes - before))))
  end
  ids, out[1] = found, looked
end
for first = 1, #ids, STEP do
  local last = math.min(first + STEP - 1, #ids)
  local texts = call('HMGET', P .. 'jobs', unpack(ids, first, last))
  local payloads = call('HMGET', P .. 'data', unpack(ids, first, last))
  local errors = call('HMGET', P .. 'error', unpack(ids, first, last))
  local progress = call('HMGET', P .. 'prog', unpack(ids, first, last))
  local results = find(wanted, 'r', 1, true) and call('HMGET', P .. 'result', unpack(ids, first, last)) or {}
  for i = 1, last - first + 1 do
    local rec = parse(texts[i])
    if rec and (how ~= 'ids' or not is_hidden(rec, ranges)) then
      local id = ids[first + i - 1]
      local score, ups = '', ''
      if rec[ST] == 'd' or rec[ST] == 'a' then score = call('ZSCORE', P .. 's:' .. rec[ST], id) or '' end
      if find(wanted, 'u', 1, true) then
        local n = tonumber(match(rec[TAIL], '^%S+ %S+ %S+ (%S+)'))
        if n > 0 then
          ups = call('HGET', P .. 'up', id) or ''
          for page = 1, math.ceil(n / PAGE) - 1 do
            ups = ups .. ' ' .. (call('HGET', P .. 'up', id .. ':' .. fmt('%.0f', page)) or '')
          end
        end
      end
      local n = #out
      out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5], out[n + 6], out[n + 7], out[n + 8] =
        id, texts[i], payloads[i] or '', errors[i] or '', progress[i] or '', score, results[i] or '', ups
    end
  end
end
return out
