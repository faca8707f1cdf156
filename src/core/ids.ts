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

const UUIDS = 256
const UUID_CHARS = 36
const UUID_BYTES = 16
/** Where the two digits of each byte stand. */
const UUID_AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
const HEX = Buffer.from('0123456789abcdef', 'latin1')
const uuidBytes = Buffer.allocUnsafeSlow(UUIDS * UUID_BYTES)
const uuidText = Buffer.alloc(UUIDS * UUID_CHARS, '-')
let uuids = ''
let nextUuid = 0

/** A UUID version 4 (RFC 9562 §5.4): 122 random bits, the version, and the variant in the top bits of one digit. */
export function newUuid(): string {
  if (nextUuid >= uuids.length) drawUuids()
  nextUuid += UUID_CHARS
  return uuids.slice(nextUuid - UUID_CHARS, nextUuid)
}

/** Many as one text, for the same reason: putting one together from its parts costs twice as much. */
function drawUuids(): void {
  randomFillSync(uuidBytes)
  for (let i = 0; i < UUIDS; i++) {
    const from = i * UUID_BYTES
    uuidBytes[from + 6] = (uuidBytes[from + 6]! & 0x0f) | 0x40
    uuidBytes[from + 8] = (uuidBytes[from + 8]! & 0x3f) | 0x80
    for (let j = 0; j < UUID_BYTES; j++) {
      const at = i * UUID_CHARS + UUID_AT[j]!
      uuidText[at] = HEX[uuidBytes[from + j]! >> 4]!
      uuidText[at + 1] = HEX[uuidBytes[from + j]! & 0x0f]!
    }
  }
  uuids = uuidText.toString('latin1')
  nextUuid = 0
}
