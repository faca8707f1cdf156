/** Ids and times of the wire: bytes read as little-endian words. */

export function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false
  return true
}

export function copyWords(bytes: Uint8Array, at: number, to: Uint32Array, index: number, words: number): void {
  for (let i = 0, from = at; i < words; i++, from += 4) {
    to[index + i] = bytes[from]! | (bytes[from + 1]! << 8) | (bytes[from + 2]! << 16) | (bytes[from + 3]! << 24)
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** Microseconds between two fixed64 of nanoseconds; the halves are taken apart so that nothing is rounded early. */
export function microsBetween(bytes: Uint8Array, startAt: number, endAt: number): number {
  const high = wordAt(bytes, endAt + 4) - wordAt(bytes, startAt + 4)
  const nanos = high * 0x100000000 + (wordAt(bytes, endAt) - wordAt(bytes, startAt))
  return nanos <= 0 ? 0 : nanos / 1000
}
