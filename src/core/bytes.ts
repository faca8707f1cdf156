/** Bytes that are kept. */

/** A copy of `buf[start, end)`; without the view that `Buffer.from` would want. */
export function copyOf(buf: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  buf.copy(copy, 0, start, end)
  return copy
}
