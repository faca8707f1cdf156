/** PostgreSQL, MySQL and Redis by their first bytes. Ports decide nothing, and in doubt the answer is no. */
import { allOf, byteClass, type Check, DIGIT, LETTER, matches, printable, type Recognised } from './first-bytes.ts'

const NUL = 0
const CR = 13
const LF = 10

// === PostgreSQL: PostgreSQL documentation, "Message Formats" and "Start-up" ===

const POSTGRES_MIN_BYTES = 8
const POSTGRES_MAX_STARTUP_BYTES = 10_000
/** Codes that look like version 1234: CancelRequest, SSLRequest, GSSENCRequest. */
const SPECIAL = Buffer.from([0x04, 0xd2, 0x16])
const CANCEL = 0x2e
const SSL = 0x2f
const GSS = 0x30
/** A key is 32 bytes at most in protocol 3.0, 256 since 3.2. */
const CANCEL_MAX_BYTES = 12 + 256
/** Names of startup parameters, such as `user`, `application_name`, `_pq_.name`. */
const PARAMETER = byteClass('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.')
const PARAMETER_MAX_BYTES = 63

const postgres = (version: string, variant: string): Recognised => ({ name: 'postgresql', version, variant })

/** StartupMessage of protocol 3, SSLRequest, GSSENCRequest or CancelRequest: a length, then a version. */
export const postgresClient: Check = (buf, end) => {
  if (matches(buf, end, 0, Buffer.from([0, 0])) === 'no') return 'no'
  if (end < POSTGRES_MIN_BYTES) return end > 4 && buf[4] !== 0 && buf[4] !== SPECIAL[0] ? 'no' : 'more'
  const length = buf.readInt32BE(0)
  if (matches(buf, end, 4, SPECIAL) === 'yes') return postgresRequest(buf[7]!, length)
  const major = buf.readUInt16BE(4)
  const minor = buf.readUInt16BE(6)
  // 3.1 was left out, for there were products that claimed it.
  if (major !== 3 || (minor !== 0 && minor !== 2)) return 'no'
  if (length <= POSTGRES_MIN_BYTES || length > POSTGRES_MAX_STARTUP_BYTES) return 'no'
  let at = POSTGRES_MIN_BYTES
  while (at < end && buf[at] !== NUL) {
    if (at >= length || at - POSTGRES_MIN_BYTES >= PARAMETER_MAX_BYTES || PARAMETER[buf[at]!] !== 1) return 'no'
    at++
  }
  if (at === end) return 'more'
  return at === POSTGRES_MIN_BYTES ? 'no' : postgres(`3.${minor}`, '')
}

function postgresRequest(code: number, length: number): Recognised | 'no' {
  if (code === SSL && length === 8) return postgres('', 'SSLRequest')
  if (code === GSS && length === 8) return postgres('', 'GSSENCRequest')
  if (code === CANCEL && length >= 16 && length <= CANCEL_MAX_BYTES) return postgres('', 'CancelRequest')
  return 'no'
}

// === MySQL: MySQL internals manual, Protocol::HandshakeV10; MariaDB's differs in the reserved bytes alone ===

const MYSQL_HEADER_BYTES = 4
const MYSQL_GREETING = 10
const MYSQL_ERROR = 0xff
const MYSQL_MAX_VERSION_BYTES = 100
const MYSQL_MAX_GREETING_BYTES = 500
const CLIENT_PROTOCOL_41 = 0x0200
/** Why a server refuses a connection before its greeting: too many connections, host blocked, host not permitted. */
const MYSQL_REFUSALS: ReadonlySet<number> = new Set([1040, 1129, 1130])

/** The greeting of a server, which speaks first: packet number 0, protocol version 10. Or its refusal. */
export const mysqlServer: Check = (buf, end) => {
  if (end < MYSQL_HEADER_BYTES + 1) return end > 3 && buf[3] !== 0 ? 'no' : 'more'
  const length = buf.readUIntLE(0, 3)
  if (buf[3] !== 0 || length < 5 || length > MYSQL_MAX_GREETING_BYTES) return 'no'
  if (buf[MYSQL_HEADER_BYTES] === MYSQL_ERROR) return mysqlRefusal(buf, end, MYSQL_HEADER_BYTES + length)
  if (buf[MYSQL_HEADER_BYTES] !== MYSQL_GREETING) return 'no'
  const text = MYSQL_HEADER_BYTES + 1
  let at = text
  while (at < end && buf[at] !== NUL) at++
  if (at - text > MYSQL_MAX_VERSION_BYTES || !printable(buf, text, at)) return 'no'
  if (at > text && DIGIT[buf[text]!] !== 1) return 'no'
  if (at === end) return 'more'
  // Thread id, 8 bytes of salt, a zero, capabilities, character set, status, capabilities, length of salt, 6 zeros.
  const rest = at + 1
  const needed = rest + 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 6
  if (at === text || needed > MYSQL_HEADER_BYTES + length) return 'no'
  if (end < needed) return 'more'
  if (buf[rest + 12] !== 0 || (buf.readUInt16LE(rest + 13) & CLIENT_PROTOCOL_41) === 0) return 'no'
  for (let i = needed - 6; i < needed; i++) if (buf[i] !== 0) return 'no'
  return { name: 'mysql', version: '10', variant: '' }
}

function mysqlRefusal(buf: Buffer, end: number, stop: number): Recognised | 'no' | 'more' {
  if (end < MYSQL_HEADER_BYTES + 3) return 'more'
  if (!MYSQL_REFUSALS.has(buf.readUInt16LE(MYSQL_HEADER_BYTES + 1))) return 'no'
  if (!printable(buf, MYSQL_HEADER_BYTES + 3, Math.min(end, stop))) return 'no'
  return end < stop ? 'more' : { name: 'mysql', version: '10', variant: 'refused' }
}

// === Redis: RESP, redis.io "Redis serialization protocol specification" ===

const STAR = 42
const DOLLAR = 36
const REDIS_MAX_ARGUMENT_DIGITS = 7
const REDIS_MAX_NAME_BYTES = 32
/** Commands, those of modules with a dot. */
const COMMAND = byteClass('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-')
const REDIS: Recognised = { name: 'redis', version: '', variant: '' }
const REDIS_INLINE: Recognised = { name: 'redis', version: '', variant: 'inline' }

/** An array that begins with the name of a command: `*1\r\n$4\r\nPING\r\n`. */
export const redisClient: Check = (buf, end) => {
  if (end === 0) return 'more'
  if (buf[0] !== STAR) return 'no'
  const count = numberLine(buf, end, 1, REDIS_MAX_ARGUMENT_DIGITS)
  if (typeof count === 'string') return count
  if (count.value === 0) return 'no'
  if (count.next === end) return 'more'
  if (buf[count.next] !== DOLLAR) return 'no'
  const length = numberLine(buf, end, count.next + 1, 2)
  if (typeof length === 'string') return length
  if (length.value === 0 || length.value > REDIS_MAX_NAME_BYTES) return 'no'
  const stop = length.next + length.value
  if (!allOf(COMMAND, buf, length.next, Math.min(end, stop))) return 'no'
  if (length.next < end && LETTER[buf[length.next]!] !== 1) return 'no'
  const line = matches(buf, end, stop, Buffer.from([CR, LF]))
  return line === 'yes' ? REDIS : line
}

/** Decimal digits without a leading zero, then CRLF. */
function numberLine(
  buf: Buffer,
  end: number,
  start: number,
  maxDigits: number,
): { readonly value: number; readonly next: number } | 'no' | 'more' {
  let at = start
  let value = 0
  while (at < end && DIGIT[buf[at]!] === 1) {
    if (at - start >= maxDigits || (at > start && value === 0)) return 'no'
    value = value * 10 + (buf[at]! - 48)
    at++
  }
  if (at === end) return 'more'
  if (at === start) return 'no'
  const line = matches(buf, end, at, Buffer.from([CR, LF]))
  return line === 'yes' ? { value, next: at + 2 } : line
}

/** Many protocols have lines of words. These count only with the answer that Redis alone gives to them. */
const INLINE: readonly { readonly command: string; readonly answers: readonly string[] }[] = [
  { command: 'PING\r\n', answers: ['+PONG\r\n', '-NOAUTH ', '-DENIED Redis '] },
  { command: 'INFO\r\n', answers: ['-NOAUTH ', '-DENIED Redis '] },
  {
    command: 'AUTH ',
    answers: ['-WRONGPASS ', '-ERR Client sent AUTH, but no password is set', '-ERR AUTH <password>'],
  },
]

/** A first line in plain words and its answer, both from their beginning. */
export function redisInline(
  client: Buffer,
  clientEnd: number,
  server: Buffer,
  serverEnd: number,
): Recognised | 'no' | 'more' {
  for (const { command, answers } of INLINE) {
    const asked = matchesText(client, clientEnd, command)
    if (asked === 'no') continue
    if (asked === 'more') return 'more'
    let open = false
    for (const answer of answers) {
      const answered = matchesText(server, serverEnd, answer)
      if (answered === 'yes') return REDIS_INLINE
      if (answered === 'more') open = true
    }
    return open ? 'more' : 'no'
  }
  return 'no'
}

/** Words in any case; all that these lines and answers have beside letters is left as it is by the fold. */
function matchesText(buf: Buffer, end: number, text: string): 'yes' | 'no' | 'more' {
  for (let i = 0; i < text.length; i++) {
    if (i >= end) return 'more'
    if (fold(buf[i]!) !== fold(text.charCodeAt(i))) return 'no'
  }
  return 'yes'
}

const fold = (byte: number): number => (byte >= 97 && byte <= 122 ? byte - 32 : byte)
