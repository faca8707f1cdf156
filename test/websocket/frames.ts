/** WebSocket frames made by hand (RFC 6455 §5.2). */

export const TEXT = 1
export const BINARY = 2
export const CONTINUATION = 0
export const CLOSE = 8
export const PING = 9
export const PONG = 10

export interface FrameOptions {
  readonly fin?: boolean
  /** The three reserved bits, 0 … 7. */
  readonly reserved?: number
  /** Undefined: not masked. */
  readonly mask?: readonly [number, number, number, number]
  /** Bytes of the length beyond its first: as few as it needs, unless told. */
  readonly lengthBytes?: 0 | 2 | 8
  /** Told in place of the true one. */
  readonly length?: bigint
}

export function frame(opcode: number, payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const body = Buffer.from(payload)
  const length = options.length ?? BigInt(body.length)
  const lengthBytes = options.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8)
  const head = [((options.fin ?? true) ? 0x80 : 0) | ((options.reserved ?? 0) << 4) | opcode]
  const masked = options.mask === undefined ? 0 : 0x80
  head.push(masked | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127))
  for (let i = lengthBytes - 1; i >= 0; i--) head.push(Number((length >> BigInt(8 * i)) & 0xffn))
  const { mask } = options
  if (mask === undefined) return Buffer.concat([Buffer.from(head), body])
  return Buffer.concat([Buffer.from([...head, ...mask]), Buffer.from(body.map((byte, i) => byte ^ mask[i % 4]!))])
}

/** Payload of a Close frame. */
export function closing(code: number, reason = ''): Buffer {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)])
}
