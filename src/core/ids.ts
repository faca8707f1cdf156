/** Random ids. One draw from the system's generator serves some hundred requests: a call each would cost microseconds. */
import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 8192
const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
let next = POOL_BYTES

/** Offset of `bytes` unused random bytes in the pool. */
function draw(bytes: number): number {
  if (next + bytes > POOL_BYTES) {
    randomFillSync(pool)
    next = 0
  }
  const at = next
  next += bytes
  return at
}

const hex = (at: number, bytes: number): string => pool.toString('hex', at, at + bytes)

/** 16 random bytes as 32 hex characters; all of it is random (W3C Trace Context level 2 `random` flag). */
export function newTraceId(): string {
  return hex(draw(16), 16)
}

/** 8 random bytes as 16 hex characters. All zeros, which would be invalid, comes once in 2^64 draws. */
export function newSpanId(): string {
  return hex(draw(8), 8)
}

/** A UUID version 4 (RFC 9562 §5.4). */
export function newUuid(): string {
  const at = draw(16)
  pool[at + 6] = (pool[at + 6]! & 0x0f) | 0x40
  pool[at + 8] = (pool[at + 8]! & 0x3f) | 0x80
  const text = hex(at, 16)
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
}
