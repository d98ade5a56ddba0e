-- The live tail of one task: next seq, snapshot, stream entry, publish and time to live, in one step.
--
-- KEYS: 1 state hash, 2 log stream, 3 channel of the task
-- ARGV: 1 operation, 2 timestamp (RFC 3339), 3 now in ms, 4 time to live in s, 5 entries kept, 6 … per operation
--
-- RUN is the id of this very Redis process, written into the script when it is loaded. A Redis that was restarted knows
-- no script, so whoever runs this knows which process answers; a tail of another process may have lost its end and counts
-- as absent. That is what makes an epoch trustworthy.
local RUN = '@RUN@'
local state, log, channel = KEYS[1], KEYS[2], KEYS[3]
local op, timestamp, now, ttl, kept = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]

local function publish(name, body, snapshot)
  local seq = redis.call('HINCRBY', state, 'seq', 1)
  local known = redis.call('HMGET', state, 'epoch', 'cancel')
  local data = '{"epoch":"' .. known[1] .. '","seq":' .. seq .. ',"timestamp":"' .. timestamp .. '"'
  if name == 'progress_update' then data = data .. ',"cancel_requested":' .. known[2] end
  if snapshot then data = data .. ',"snapshot":true' end
  data = data .. ',' .. body .. '}'
  redis.call('XADD', log, 'MAXLEN', kept, seq .. '-0', 'n', name, 'd', data)
  local receivers = redis.call('PUBLISH', channel, known[1] .. ' ' .. seq .. ' ' .. name .. '\n2["' .. name .. '",' .. data .. ']')
  redis.call('HSET', state, 'at', now)
  redis.call('EXPIRE', state, ttl)
  redis.call('EXPIRE', log, ttl)
  return {'ok', seq, receivers, tonumber(redis.call('HGET', state, 'log_n')), known[1]}
end

local run = redis.call('HGET', state, 'run')

if op == 'begin' then
  -- 6 new epoch, 7 durable id, 8 log lines covered, 9 live attempt, 10 cancel, 11 final, 12 name, 13 body, 14 epoch to replace
  if run == RUN then
    local there = redis.call('HMGET', state, 'epoch', 'durable', 'log_n')
    local is_newer = tonumber(there[2]) > tonumber(ARGV[7]) or tonumber(there[3]) > tonumber(ARGV[8])
    if there[1] ~= ARGV[14] or is_newer then return {'exists'} end -- is_newer: told while the caller was reading SQL
  end
  redis.call('DEL', state, log)
  redis.call('HSET', state, 'run', RUN, 'epoch', ARGV[6], 'seq', 0, 'durable', ARGV[7], 'log_n', ARGV[8], 'live', ARGV[9],
    'cancel', ARGV[10], 'final', ARGV[11], 'name', ARGV[12], 'body', ARGV[13])
  return publish(ARGV[12], ARGV[13], ARGV[12] == 'progress_update')
end

if run ~= RUN then return {'absent'} end

if op == 'read' then
  -- 6 events from this stream id on, or '' for none
  local known = redis.call('HMGET', state, 'epoch', 'seq', 'name', 'body', 'cancel', 'durable', 'log_n', 'final', 'at')
  local entries = {}
  if ARGV[6] ~= '' then entries = redis.call('XRANGE', log, ARGV[6], '+') end
  return {'ok', known, entries}
end

if op == 'tick' then
  -- 6 attempt, 7 body: progress of the attempt that runs; of any other it is refused
  if redis.call('HGET', state, 'live') ~= ARGV[6] then return {'refused'} end
  redis.call('HSET', state, 'body', ARGV[7])
  return publish('progress_update', ARGV[7], false)
end

if op == 'beat' then
  -- 6 attempt, 7 quiet for so many ms: the newest progress once more, so that watchers see a living worker
  if redis.call('HGET', state, 'live') ~= ARGV[6] then return {'refused'} end
  if now - tonumber(redis.call('HGET', state, 'at')) < tonumber(ARGV[7]) then return {'known'} end
  return publish('progress_update', redis.call('HGET', state, 'body'), false)
end

if op == 'lines' then
  -- 6 first n, 7 last n, 8 body
  local have = tonumber(redis.call('HGET', state, 'log_n'))
  if tonumber(ARGV[7]) <= have then return {'known', have} end
  if tonumber(ARGV[6]) ~= have + 1 then return {'gap', have} end
  redis.call('HSET', state, 'log_n', ARGV[7])
  return publish('task_log', ARGV[8], false)
end

if op == 'durable' then
  -- 6 durable id, 7 name, 8 body, 9 live attempt, 10 cancel, 11 final
  if tonumber(ARGV[6]) <= tonumber(redis.call('HGET', state, 'durable')) then return {'known'} end
  local told = redis.call('HMGET', state, 'live', 'name', 'body')
  if ARGV[7] == 'progress_update' and told[2] == ARGV[7] and ARGV[9] ~= '' and told[1] == ARGV[9] then
    ARGV[8] = told[3] -- within an attempt the tail knows newer progress than SQL: a bar must not jump back
  end
  redis.call('HSET', state, 'durable', ARGV[6], 'live', ARGV[9], 'cancel', ARGV[10], 'final', ARGV[11])
  if ARGV[7] ~= 'task_retrying' then redis.call('HSET', state, 'name', ARGV[7], 'body', ARGV[8]) end
  return publish(ARGV[7], ARGV[8], false)
end

return {'unknown operation'}
