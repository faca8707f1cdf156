/** Random ids. One draw from the system's generator serves some hundred requests: a call each would cost microseconds. */
import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 8192
const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
/** The pool as text: an id is a slice of it, at a third of the price of converting its bytes. */
let digits = ''
let next = 0

/** `count` unused random hex digits. */
function draw(count: number): string {
  if (next + count > digits.length) {
    digits = randomFillSync(pool).toString('hex')
    next = 0
  }
  next += count
  return digits.slice(next - count, next)
}

/** 16 random bytes as 32 hex characters; all of it is random (W3C Trace Context level 2 `random` flag). */
export function newTraceId(): string {
  return draw(32)
}

/** 8 random bytes as 16 hex characters. All zeros, which would be invalid, comes once in 2^64 draws. */
export function newSpanId(): string {
  return draw(16)
}

/** A UUID version 4 (RFC 9562 §5.4): 122 random bits, the version, and the variant in the top bits of one digit. */
export function newUuid(): string {
  const random = draw(32)
  const variant = '89ab'[random.charCodeAt(12) & 3]!
  return `${random.slice(0, 8)}-${random.slice(8, 12)}-4${random.slice(13, 16)}-${variant}${random.slice(17, 20)}-${random.slice(20)}`
}
