--[[ read: records of jobs, in one answer.

ARGV  "ids", wanted, id ...                       these jobs
      "page", wanted, where, offset, limit, newest   a page: where is waiting, ready, a state's letter, "all" or "flow:ID";
                                                     newest is 1 to count from the end
      wanted is letters: r results, u upstream ids
Returns  for each job: id, record, payload, error or "", progress or "", score in its index or "", result or "", upstreams or ""
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

local function part(name, offset, limit, newest)
  if name == 'w' or name == 'b' then
    if newest then
      local n = size(name)
      local last = n - offset
      local from = math.max(0, last - limit)
      local found, out = visible(name, from, math.max(0, last - from), ranges), {}
      for i = #found, 1, -1 do out[#out + 1] = found[i] end
      return out
    end
    return visible(name, offset, limit, ranges)
  end
  return call(newest and 'ZREVRANGE' or 'ZRANGE', name == 'park' and P .. name or P .. 's:' .. name, offset, offset + limit - 1)
end

if how == 'ids' then
  for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
else
  local where, offset, limit, newest = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
  if sub(where, 1, 5) == 'flow:' then
    if call('HEXISTS', P .. 'flow', sub(where, 6)) == 1 then
      ids = call(newest and 'ZREVRANGE' or 'ZRANGE', P .. 'fj:' .. sub(where, 6), offset, offset + limit - 1)
    end
  else
    local parts = ({waiting = {'w', 'park', 'b'}, ready = {'w', 'park'},
      all = {'a', 'w', 'park', 'd', 'b', 'f', 'e', 'x', 'k', 'c'}})[where] or {where}
    if newest and #parts > 1 and where ~= 'all' then
      local turned = {}
      for i = #parts, 1, -1 do turned[#turned + 1] = parts[i] end
      parts = turned
    end
    for i = 1, #parts do
      if limit <= 0 then break end
      local n = size(parts[i])
      if offset >= n then
        offset = offset - n
      else
        local found = part(parts[i], offset, limit, newest)
        for k = 1, #found do ids[#ids + 1] = found[k] end
        limit, offset = limit - #found, 0
      end
    end
  end
end
if #ids == 0 then return {} end
local out = {}
for first = 1, #ids, STEP do
  local last = math.min(first + STEP - 1, #ids)
  local texts = call('HMGET', P .. 'jobs', unpack(ids, first, last))
  local payloads = call('HMGET', P .. 'data', unpack(ids, first, last))
  local errors = call('HMGET', P .. 'error', unpack(ids, first, last))
  local progress = call('HMGET', P .. 'prog', unpack(ids, first, last))
  local results = find(wanted, 'r', 1, true) and call('HMGET', P .. 'result', unpack(ids, first, last)) or {}
  for i = 1, last - first + 1 do
    local rec = parse(texts[i])
    if rec and (how == 'page' or not is_hidden(rec, ranges)) then
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
