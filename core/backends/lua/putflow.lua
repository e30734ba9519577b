--[[ putflow: flows with nothing special about them, at most 500 jobs in all. The shortest way, without the shared parts.
-- alone

ARGV  for each flow "id digest jobs" (how many) and its name, each on a line, then its jobs in order: for each "id priority
      trigger upstreams max_stalls downstreams" (the two are numbers), ids of its upstreams, ids below it (each parted by
      blanks, all in this flow, at most one page), payload, each on a line. A payload is JSON on one line.
Returns  for each flow "ok", "same" (added before), "conflict", "duplicate ID"; "special" when `add` must look closer: wishes
         that wait for their job (see link.lua), a flow that is being written, one that shares an id with another of this
         call. What is not ok has written nothing.
]]
local P, call, fmt, match = KEYS[1], redis.call, string.format, string.match
local flows, names, answers, at = {}, {}, {}, 1
while at <= #ARGV do
  local flow, digest, jobs, name = match(ARGV[at], '^(%S+) (%S+) (%d+)\n(.*)$')
  flows[#flows + 1] = {flow, digest, name, at + 1, at + jobs}
  names[#names + 1] = flow
  at = at + jobs + 1
end
local special = call('EXISTS', P .. 'declared', P .. 'staging') > 0
local abouts = call('HMGET', P .. 'about', unpack(names))

-- Which flows are to be added, and their jobs as parts of lines.
local LINES = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)\n([^\n]*)\n([^\n]*)\n(.*)$'
local jobs, ids, taken = {}, {}, {}
for i = 1, #flows do
  local flow = flows[i]
  if abouts[i] then
    answers[i] = match(abouts[i], '^[^\n]*') == flow[2] and 'same' or 'conflict'
  elseif special or taken['flow ' .. flow[1]] then
    answers[i] = 'special'
  else
    taken['flow ' .. flow[1]] = true
    for place = flow[4], flow[5] do
      local job = {match(ARGV[place], LINES)}
      jobs[place], ids[#ids + 1] = job, job[1]
    end
  end
end
if #ids > 0 then
  for i, known in ipairs(call('HMGET', P .. 'jobs', unpack(ids))) do
    if known then taken[ids[i]] = 'known' end
  end
end
local count = 0
for i = 1, #flows do
  if not answers[i] then
    local first, last = flows[i][4], flows[i][5]
    for place = first, last do
      local id = jobs[place][1]
      if taken[id] == 'known' then
        answers[i] = 'duplicate ' .. id
        break
      elseif taken[id] then
        answers[i] = 'special'
      end
    end
    if not answers[i] then
      for place = first, last do taken[jobs[place][1]] = 'here' end
      count = count + last - first + 1
    end
  end
end
if count == 0 then return answers end

local clock = call('TIME')
local NOW = fmt('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local order = call('HINCRBY', P .. 'meta', 'order', count) - count
local waiting, blocked, texts, payloads, ups, downs, lines, n = {}, {}, {}, {}, {}, {}, {}, 0
local states, about, begun = {}, {}, {}
for i = 1, #flows do
  if not answers[i] then
    answers[i] = 'ok'
    local flow = flows[i]
    local id_of_flow, members, ready = flow[1], {}, 0
    for place = flow[4], flow[5] do
      local id, priority, trigger, above, stalls, below, up, down, payload = unpack(jobs[place])
      n = n + 1
      local at, state = fmt('%.0f', order + n), 'b'
      if above == '0' then
        state, ready = 'w', ready + 1
        waiting[#waiting + 1], waiting[#waiting + 2] = fmt('%.0f', priority * 17592186044416 + order + n), id
      else
        blocked[#blocked + 1], blocked[#blocked + 2] = at, id
        ups[#ups + 1], ups[#ups + 2] = id, up
      end
      if below ~= '0' then downs[#downs + 1], downs[#downs + 2] = id, down end
      members[#members + 1], members[#members + 2] = at, id
      texts[2 * n - 1], payloads[2 * n - 1], payloads[2 * n] = id, id, payload
      texts[2 * n] = state .. ' - - 0 0 ' .. above .. ' 0 ' .. below .. ' - 0 0 - ' .. id_of_flow .. ' ' .. at .. ' ' ..
        priority .. ' ' .. trigger .. ' ' .. above .. ' ' .. stalls .. ' 0 0 ' .. NOW .. ' w'
      lines[n] = id .. ' -' .. state .. '- 0 ' .. id_of_flow .. ' '
    end
    call('ZADD', P .. 'fj:' .. id_of_flow, unpack(members))
    local jobs_of_flow = flow[5] - flow[4] + 1
    states[#states + 1] = id_of_flow
    states[#states + 1] = fmt('running %s 0 0 %d %d 0 0 0 0 0 0 0', NOW, jobs_of_flow - ready, ready)
    about[#about + 1], about[#about + 2] = id_of_flow, flow[2] .. '\n' .. flow[3]
    begun[#begun + 1], begun[#begun + 2] = NOW, id_of_flow
  end
end
call('HSET', P .. 'flow', unpack(states))
call('HSET', P .. 'about', unpack(about))
call('ZADD', P .. 'flows', unpack(begun))
call('ZADD', P .. 's:w', unpack(waiting))
if #blocked > 0 then call('ZADD', P .. 's:b', unpack(blocked)) end
call('HSET', P .. 'jobs', unpack(texts))
call('HSET', P .. 'data', unpack(payloads))
if #ups > 0 then call('HSET', P .. 'up', unpack(ups)) end
if #downs > 0 then call('HSET', P .. 'down', unpack(downs)) end
local seq = call('HINCRBY', P .. 'meta', 'seq', count)
call('XADD', P .. 'ev', 'MINID', '~', fmt('%.0f', math.max(0, seq - 50000)), fmt('%.0f-0', seq),
  't', NOW, 'n', count, 'w', '-', 'e', table.concat(lines, '\n'))
if call('LLEN', P .. 'wake') == 0 then call('RPUSH', P .. 'wake', '1') end
return answers
