--[[ renew: extend leases, and say that the worker is alive.

ARGV  worker, lease in ms, ms until the worker is taken for gone, then id, token, id, token ...
Returns  {ids whose cancellation was asked for}, {ids whose lease is lost}
]]
-- A server without memory refuses what may need some, unless the script has written before: a lease must not end for that.
call('ZREM', P .. 's:a', '-')
local lease = fmt('%.0f', now + ARGV[2])
call('ZADD', P .. 'seen', 'XX', fmt('%.0f', now + ARGV[3]), ARGV[1])
local ids, stop, lost, out = {}, {}, {}, {}
for i = 4, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
load(ids)
for i = 4, #ARGV, 2 do
  local rec = recs[ARGV[i]]
  if not rec or rec[ST] ~= 'a' or rec[TOK] ~= ARGV[i + 1] then
    lost[#lost + 1] = ARGV[i]
  else
    out[#out + 1] = lease
    out[#out + 1] = ARGV[i]
    if flagged(rec, 'C') then stop[#stop + 1] = ARGV[i] end
  end
end
chunks('ZADD', P .. 's:a', out)
return {stop, lost}
