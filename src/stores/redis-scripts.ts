/**
 * The operations as Lua scripts, one key each, so that any cluster takes them. A record is a hash: v version, s state,
 * o owner, f fence, l lease until, c created, e expires, g forgotten (milliseconds), p fingerprint, r request id,
 * t traceparent, b response. Time is the server's own. The rules are those of lifecycle.ts.
 */

const PRELUDE = `
local k = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local h = redis.call('HMGET', k, 'v', 's', 'o', 'f', 'l', 'e', 'g')
local function num(n) return string.format('%.0f', n) end
local function standing()
  if h[1] ~= '1' then
    -- Nothing, or of another version of this program: in doubt.
    return redis.call('EXISTS', k) == 0 and 'free' or 'unknown'
  end
  local s = h[2]
  local working = now < tonumber(h[5])
  if s == 'claimed' then return working and s or 'free' end
  if s == 'dispatched' and working then return s end
  if now >= tonumber(h[7]) then return 'free' end
  if now >= tonumber(h[6]) then return 'expired' end
  return s == 'dispatched' and 'unknown' or s
end
local st = standing()
local function owned() return h[1] == '1' and h[3] == ARGV[1] and h[4] == ARGV[2] end
local function keep(ms)
  if ms > 0 then redis.call('PEXPIRE', k, num(math.ceil(ms))) else redis.call('DEL', k) end
end
local function tell()
  local d = redis.call('HMGET', k, 'p', 'c', 'r', 't')
  local b = ''
  if st == 'completed' then b = redis.call('HGET', k, 'b') or ''
  elseif st == 'expired' then redis.call('HDEL', k, 'b') end
  return {0, st, d[1] or '', d[2] or '0', d[3] or '', d[4] or '', b}
end
`

/** owner, fingerprint, request id, traceparent, lease, ttl, grace, over unknown → {1, fence}, or what is known. */
export const CLAIM = `${PRELUDE}
local again = st == 'claimed' and h[3] == ARGV[1]
if st ~= 'free' and not again and not (st == 'unknown' and ARGV[8] == '1') then return tell() end
local fence = num(math.max(t[1] * 1000000 + t[2], (tonumber(h[4]) or 0) + 1))
local lease, expires = tonumber(ARGV[5]), now + tonumber(ARGV[6])
redis.call('DEL', k)
redis.call('HSET', k, 'v', '1', 's', 'claimed', 'o', ARGV[1], 'f', fence, 'l', num(now + lease), 'c', num(now),
  'e', num(expires), 'g', num(expires + tonumber(ARGV[7])), 'p', ARGV[2], 'r', ARGV[3], 't', ARGV[4])
keep(lease)
return {1, fence}
`

/** owner, fence, fingerprint, lease, dispatched or '' → 1, or 0 where the claim is not held. */
export const WORK = `${PRELUDE}
if not owned() or (st ~= 'claimed' and st ~= 'dispatched') then return 0 end
local lease = tonumber(ARGV[4])
if ARGV[5] ~= '' then st = ARGV[5] end
redis.call('HSET', k, 's', st, 'l', num(now + lease))
if ARGV[3] ~= '' then redis.call('HSET', k, 'p', ARGV[3]) end
keep(st == 'claimed' and lease or math.max(lease, tonumber(h[7]) - now))
return 1
`

/** owner, fence, fingerprint, completed or unknown, response or '' → 1, or 0 where the claim is not held. */
export const SETTLE = `${PRELUDE}
if not owned() then return 0 end
if st == 'completed' then return ARGV[4] == 'completed' and 1 or 0 end
if st ~= 'claimed' and st ~= 'dispatched' and st ~= 'unknown' then return 0 end
redis.call('HSET', k, 's', ARGV[4])
if ARGV[3] ~= '' then redis.call('HSET', k, 'p', ARGV[3]) end
if ARGV[5] ~= '' then redis.call('HSET', k, 'b', ARGV[5]) end
keep(tonumber(h[7]) - now)
return 1
`

/** owner, fence → 1, or 0 where the claim is not held. */
export const RELEASE = `${PRELUDE}
if not owned() or (st ~= 'claimed' and st ~= 'dispatched' and st ~= 'unknown') then return 0 end
redis.call('DEL', k)
return 1
`

/** → what is known, {0, 'free', …} where nothing is. */
export const READ = `${PRELUDE}
return tell()
`

/** → standing, and a text that differs where something of interest changed. */
export const LOOK = `${PRELUDE}
return {st, (h[4] or '') .. (redis.call('HSTRLEN', k, 'p') > 0 and '+' or '-')}
`
