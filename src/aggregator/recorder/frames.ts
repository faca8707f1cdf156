/** gRPC messages out of a stream of bytes (grpc.io, PROTOCOL-HTTP2): a flag, a length of four bytes, the message. */
import { gunzipSync } from 'node:zlib'

const PREFIX_BYTES = 5
const NOTHING: Buffer = Buffer.alloc(0)

export class Frames {
  readonly #maxBytes: number
  readonly #onMessage: (message: Buffer) => void
  #rest = NOTHING

  /** Messages over `maxBytes`, unpacked, are a fault. */
  constructor(maxBytes: number, onMessage: (message: Buffer) => void) {
    this.#maxBytes = maxBytes
    this.#onMessage = onMessage
  }

  /** False: what came is no gRPC, or too large; nothing more should be read. */
  take(chunk: Buffer): boolean {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= PREFIX_BYTES) {
      const length = bytes.readUInt32BE(1)
      if (bytes[0]! > 1 || length > this.#maxBytes) return false
      if (bytes.length < PREFIX_BYTES + length) break
      const message = this.#unpacked(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + length), bytes[0] === 1)
      if (message === undefined) return false
      this.#onMessage(message)
      bytes = bytes.subarray(PREFIX_BYTES + length)
    }
    this.#rest = bytes.length === 0 ? NOTHING : Buffer.from(bytes)
    return true
  }

  #unpacked(message: Buffer, packed: boolean): Buffer | undefined {
    if (!packed) return message
    try {
      return gunzipSync(message, { maxOutputLength: this.#maxBytes })
    } catch {
      return undefined
    }
  }
}

export function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}
