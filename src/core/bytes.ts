/** Bytes that are kept. */

/** A copy of `buf[start, end)`; without the view that `Buffer.from` would want. */
export function copyOf(buf: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  buf.copy(copy, 0, start, end)
  return copy
}

/** A list and one piece more. The first piece gets a list of its own: one that grows from nothing has room for seventeen. */
export function withPiece(pieces: Buffer[], piece: Buffer): Buffer[] {
  if (pieces.length === 0) return [piece]
  pieces.push(piece)
  return pieces
}
