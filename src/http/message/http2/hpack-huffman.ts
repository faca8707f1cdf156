/**
 * The Huffman code of HPACK (RFC 7541 §5.2, Appendix B). It is canonical (codes of one length are numbered in the order of
 * their symbols), so that the lengths say all.
 */

/** Code length in bits of every byte, and of EOS as the 257th. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
]
const EOS = 256
const LONGEST = 30

/** Code length in bits by byte. */
export const CODE_BITS = Uint8Array.from(LENGTHS.slice(0, EOS))
const CODES = new Uint32Array(EOS + 1)
/** By code length: the first code, and where its symbols begin in {@link SYMBOLS}. */
const FIRST_CODE = new Uint32Array(LONGEST + 2)
const FIRST_INDEX = new Uint16Array(LONGEST + 2)
/** Symbols in the order of their codes. */
const SYMBOLS = new Uint16Array(EOS + 1)

/** Codes of up to this many bits are found in one look; longer ones are of bytes that hardly occur in fields. */
const LOOK = 10
/** By the next ten bits: symbol and code length (symbol << 4 | bits), 0 for the beginning of a longer code. */
const SHORT = new Uint16Array(1 << LOOK)

function build(): void {
  let code = 0
  let index = 0
  for (let bits = 1; bits <= LONGEST; bits++) {
    FIRST_CODE[bits] = code
    FIRST_INDEX[bits] = index
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (LENGTHS[symbol] !== bits) continue
      if (bits <= LOOK) SHORT.fill((symbol << 4) | bits, code << (LOOK - bits), (code + 1) << (LOOK - bits))
      SYMBOLS[index++] = symbol
      CODES[symbol] = code++
    }
    code *= 2
  }
  FIRST_INDEX[LONGEST + 1] = index
}
build()

/** Most bytes that a character takes when coded, rounded up. */
export const CODE_BYTES_AT_MOST = 4

/** Write `text` (latin1) coded at `out[at]`; there must be room. Returns the offset behind it. */
export function huffmanEncode(text: string, out: Uint8Array, at: number): number {
  const { length } = text
  let to = at
  let waiting = 0
  let count = 0
  for (let i = 0; i < length; i++) {
    const byte = text.charCodeAt(i) & 0xff
    const bits = CODE_BITS[byte]!
    const code = CODES[byte]!
    if (bits > 24) {
      // At most 7 bits wait, so that 7 + 24 fit; a longer code goes in two parts.
      waiting = (waiting << (bits - 16)) | (code >>> 16)
      count += bits - 16
      while (count >= 8) {
        count -= 8
        out[to++] = waiting >>> count
      }
      waiting = (waiting << 16) | (code & 0xffff)
      count += 16
    } else {
      waiting = (waiting << bits) | code
      count += bits
    }
    while (count >= 8) {
      count -= 8
      out[to++] = waiting >>> count
    }
  }
  if (count > 0) out[to++] = (waiting << (8 - count)) | (0xff >>> count)
  return to
}

/**
 * Decode `buf[start, end)` into `out` from offset 0. Returns the number of bytes, or -1 where it is no valid code: EOS in it,
 * or an end that is not the beginning of EOS, or more than 7 bits of it (RFC 7541 §5.2). `out` must have room for
 * 8 bytes in every 5.
 */
export function huffmanDecode(buf: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let at = start
  let to = 0
  /** The next `count` bits are the lowest of `acc`. */
  let acc = 0
  let count = 0
  for (;;) {
    while (count <= 22 && at < end) {
      acc = (acc << 8) | buf[at++]!
      count += 8
    }
    if (count < LOOK) break
    const hit = SHORT[(acc >>> (count - LOOK)) & 0x3ff]!
    if (hit !== 0) {
      out[to++] = hit >>> 4
      count -= hit & 15
      continue
    }
    const long = longCode(buf, at * 8 - count, end * 8)
    if (long < 0) return -1
    out[to++] = long >>> 5
    const next = at * 8 - count + (long & 31)
    at = (next + 7) >>> 3
    count = at * 8 - next
    acc = count === 0 ? 0 : buf[at - 1]!
  }
  for (;;) {
    // Fewer than ten bits are left: what is missing reads as ones, the beginning of EOS.
    const missing = LOOK - count
    const hit = SHORT[((acc << missing) | ((1 << missing) - 1)) & 0x3ff]!
    if (hit === 0 || (hit & 15) > count) break
    out[to++] = hit >>> 4
    count -= hit & 15
  }
  const ones = (1 << count) - 1
  return count <= 7 && (acc & ones) === ones ? to : -1
}

/** The code of more than ten bits at bit `from`, as symbol << 5 | bits; -1 for EOS or where the bits end in it. */
function longCode(buf: Uint8Array, from: number, end: number): number {
  let code = 0
  for (let bits = 1; bits <= LONGEST; bits++) {
    const bit = from + bits - 1
    if (bit >= end) return -1
    code = ((code << 1) | ((buf[bit >>> 3]! >>> (7 - (bit & 7))) & 1)) >>> 0
    const nth = code - FIRST_CODE[bits]!
    if (nth >= 0 && nth < FIRST_INDEX[bits + 1]! - FIRST_INDEX[bits]!) {
      const symbol = SYMBOLS[FIRST_INDEX[bits]! + nth]!
      return symbol === EOS ? -1 : (symbol << 5) | bits
    }
  }
  return -1
}
