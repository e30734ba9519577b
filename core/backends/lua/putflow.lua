--[[ putflow: a flow of at most 500 jobs with nothing special about them. The shortest way, without the shared parts.
-- alone

ARGV  flow id, digest, name, then for each job in order "id priority trigger upstreams max_stalls downstreams" (the two are
      numbers), ids of its upstreams, ids below it (each parted by blanks, all in this flow, at most one page), payload,
      each on a line. A payload is JSON on one line.
Returns  {"ok"}, {"same"} (added before), {"conflict"}, {"duplicate", id}; {"special"} when `add` must look closer: wishes
         that wait for their job (see link.lua), or a flow that is being written. Nothing is written unless it is ok.
]]
local P, call, fmt, match = KEYS[1], redis.call, string.format, string.match
local flow, count = ARGV[1], #ARGV - 3
local about = call('HGET', P .. 'about', flow)
if about then return {match(about, '^[^\n]*') == ARGV[2] and 'same' or 'conflict'} end
if call('EXISTS', P .. 'declared', P .. 'staging') > 0 then return {'special'} end
local LINES = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)\n([^\n]*)\n([^\n]*)\n(.*)$'
local clock = call('TIME')
local NOW = fmt('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))

local ids, records, payloads, ups, downs = {}, {}, {}, {}, {}
for i = 1, count do
  local id, priority, trigger, above, stalls, below, up, down, payload = match(ARGV[3 + i], LINES)
  local field, text = 2 * i - 1, 2 * i
  ids[i] = id
  -- Its state goes in front and its number in the middle once these are known.
  records[i] = {above == '0', priority, ' - - 0 0 ' .. above .. ' 0 ' .. below .. ' - 0 0 - ' .. flow .. ' ',
    ' ' .. priority .. ' ' .. trigger .. ' ' .. above .. ' ' .. stalls .. ' 0 0 ' .. NOW .. ' w'}
  payloads[field], payloads[text] = id, payload
  if above ~= '0' then ups[#ups + 1], ups[#ups + 2] = id, up end
  if below ~= '0' then downs[#downs + 1], downs[#downs + 2] = id, down end
end
for i, known in ipairs(call('HMGET', P .. 'jobs', unpack(ids))) do
  if known then return {'duplicate', ids[i]} end
end

local order = call('HINCRBY', P .. 'meta', 'order', count) - count
local waiting, blocked, members, texts, lines = {}, {}, {}, {}, {}
for i = 1, count do
  local id, at, record = ids[i], fmt('%.0f', order + i), records[i]
  local to, index, score = 'b', blocked, at
  if record[1] then to, index, score = 'w', waiting, fmt('%.0f', record[2] * 17592186044416 + order + i) end
  index[#index + 1], index[#index + 2] = score, id
  members[2 * i - 1], members[2 * i] = at, id
  texts[2 * i - 1], texts[2 * i] = id, to .. record[3] .. at .. record[4]
  lines[i] = id .. ' -' .. to .. '- 0 ' .. flow .. ' '
end
call('HSET', P .. 'flow', flow, fmt('running %s 0 0 %d %d 0 0 0 0 0 0 0', NOW, #blocked / 2, #waiting / 2))
call('HSET', P .. 'about', flow, ARGV[2] .. '\n' .. ARGV[3])
call('ZADD', P .. 'flows', NOW, flow)
call('ZADD', P .. 's:w', unpack(waiting))
if #blocked > 0 then call('ZADD', P .. 's:b', unpack(blocked)) end
call('ZADD', P .. 'fj:' .. flow, unpack(members))
call('HSET', P .. 'jobs', unpack(texts))
call('HSET', P .. 'data', unpack(payloads))
if #ups > 0 then call('HSET', P .. 'up', unpack(ups)) end
if #downs > 0 then call('HSET', P .. 'down', unpack(downs)) end
local seq = call('HINCRBY', P .. 'meta', 'seq', count)
call('XADD', P .. 'ev', 'MINID', '~', fmt('%.0f', math.max(0, seq - 50000)), fmt('%.0f-0', seq),
  't', NOW, 'n', count, 'w', '-', 'e', table.concat(lines, '\n'))
if call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
return {'ok'}
