/** Bytes as latin1 text: one character a byte, nothing lost. */

/** Node's own method beneath `toString('latin1', …)`; half of that call's price is finding the way to it. */
interface Latin1 {
  latin1Slice(start: number, end: number): string
}

/** `buf[start, end)` as a string of the same length. */
export function latin1(buf: Buffer, start: number, end: number): string {
  return (buf as Buffer & Latin1).latin1Slice(start, end)
}
