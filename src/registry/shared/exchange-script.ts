/**
 * The one script by which gateways meet in Redis. A call says which heartbeats came, which changes the gateway wants (each on condition
 * that the record is still the one it knew), and up to which revision it knows the log; the answer is what has changed since and whose
 * time is over. Redis runs one call at a time, so that every race has one winner.
 *
 * Leases are measured on a clock of the store's own. It runs by Redis' TIME, but a step is never longer than LONGEST_STEP: while
 * nobody could reach the store, while it was down, and when its machine's clock jumps, no lease runs out. After such a gap, and when a
 * gateway falls silent, nothing expires for a while, so that heartbeats find their way back.
 */

/** Milliseconds. Gateways call several times in a second. */
const LONGEST_STEP = 400;
const GAP = 750;
const SETTLE = 5_000;
const SILENT_GATEWAY = 1_500;
const HOLD = 10_000;
/** How long an order that is sent twice is known to be the same. */
const REMEMBER_ORDERS = 300_000;

export const MAX_LOG = 20_000;
const LOG_SLACK = 1_000;
export const MAX_ENTRIES = 1_000;
const MAX_DUE = 200;

/** Suffixes of the keys, in the order of KEYS. */
export const KEY_NAMES = ["meta", "instances", "due", "log", "orders", "gateways"] as const;

/**
 * ARGV: epoch, gateway, revision known, most instances, number of heartbeats, then for each key, revision and lease, then for each
 * change order id, key, revision known ("0": there must be none), record ("": delete), time until it is due ("": as before), event, "1" when only
 * if it is due.
 * Answer: ["lost" | "behind"] or ["ok", time, clock, more, log entries, their records, results, keys due, keys of stale heartbeats];
 * a result is "done", "stale", "early" or "full".
 */
export const EXCHANGE_SCRIPT = `
local meta, instances, due, log, orders, gateways = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local m = redis.call('HMGET', meta, 'epoch', 'time', 'clock', 'hold', 'revision', 'trimmed')
if m[1] ~= ARGV[1] then return {'lost'} end
if tonumber(ARGV[3]) < tonumber(m[6] or 0) then return {'behind'} end
local t = redis.call('TIME')
local time = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local clock, hold, revision = tonumber(m[3] or 0), tonumber(m[4] or 0), tonumber(m[5] or 0)
local step = math.max(0, time - tonumber(m[2] or time))
clock = clock + math.min(step, ${LONGEST_STEP})
if step > ${GAP} then hold = math.max(hold, clock + ${SETTLE}) end

redis.call('ZADD', gateways, clock, ARGV[2])
local silent = redis.call('ZRANGEBYSCORE', gateways, '-inf', clock - ${SILENT_GATEWAY})
for _, gateway in ipairs(silent) do
  redis.call('ZREM', gateways, gateway)
  hold = math.max(hold, clock + ${HOLD})
end

local stale, at = {}, 6
for _ = 1, tonumber(ARGV[5]) do
  local key, known = ARGV[at], ARGV[at + 1] .. ' '
  local record = redis.call('HGET', instances, key)
  if record and string.sub(record, 1, #known) == known then
    redis.call('ZADD', due, clock + tonumber(ARGV[at + 2]), key)
  else
    stale[#stale + 1] = key
  end
  at = at + 3
end

local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local function change(order, key, known, record, delay, event, ifDue)
  if order ~= '' and redis.call('ZSCORE', orders, order) then return 'done' end
  local current = redis.call('HGET', instances, key)
  if (current and string.match(current, '^%d+') or '0') ~= known then return 'stale' end
  if ifDue == '1' and (tonumber(redis.call('ZSCORE', due, key) or 0) > clock or clock < hold) then return 'early' end
  if not current and redis.call('HLEN', instances) >= tonumber(ARGV[4]) then return 'full' end
  revision = math.max(revision + 1, now)
  local stamp = string.format('%.0f', revision)
  if record == '' then
    redis.call('HDEL', instances, key)
    redis.call('ZREM', due, key)
  else
    redis.call('HSET', instances, key, stamp .. ' ' .. record)
    if delay ~= '' then redis.call('ZADD', due, clock + tonumber(delay), key) end
  end
  redis.call('ZADD', log, stamp, stamp .. ' ' .. key .. ' ' .. event .. ' ' .. time)
  if order ~= '' then redis.call('ZADD', orders, clock, order) end
  return 'done'
end
local results = {}
while at + 6 <= #ARGV do
  results[#results + 1] = change(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6])
  at = at + 7
end

local surplus = redis.call('ZCARD', log) - ${MAX_LOG}
if surplus > ${LOG_SLACK} then
  local last = redis.call('ZRANGE', log, surplus - 1, surplus - 1)[1]
  redis.call('HSET', meta, 'trimmed', string.match(last, '^%d+'))
  redis.call('ZREMRANGEBYRANK', log, 0, surplus - 1)
end
redis.call('ZREMRANGEBYSCORE', orders, '-inf', clock - ${REMEMBER_ORDERS})
redis.call('HSET', meta, 'time', string.format('%.0f', time), 'clock', string.format('%.0f', clock),
  'hold', string.format('%.0f', hold), 'revision', string.format('%.0f', revision))

-- Not +inf: nothing that says it is of the future stands in the way of what is.
local last = string.format('%.0f', math.max(revision, now))
local entries = redis.call('ZRANGEBYSCORE', log, '(' .. ARGV[3], last, 'LIMIT', 0, ${MAX_ENTRIES})
local records = {}
for i, entry in ipairs(entries) do
  records[i] = redis.call('HGET', instances, string.match(entry, '^%d+ (%S+)')) or ''
end
local over = {}
if clock >= hold then
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', clock, 'LIMIT', 0, ${MAX_DUE})) do
    if redis.call('HEXISTS', instances, key) == 1 then over[#over + 1] = key else redis.call('ZREM', due, key) end
  end
end
return {'ok', time, clock, #entries == ${MAX_ENTRIES} and 1 or 0, entries, records, results, over, stale}
`;

/**
 * ARGV: the name of a store that has none. Answer: the name that it has. A store that has lost its clock but not its instances goes on a little
 * before the first of them is due.
 */
export const CLAIM_SCRIPT = `
if redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1]) == 1 then
  local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
  if first[2] then redis.call('HSET', KEYS[1], 'clock', string.format('%.0f', math.max(0, tonumber(first[2]) - ${SETTLE}))) end
end
return redis.call('HGET', KEYS[1], 'epoch')
`;
