/** ClientHellos byte by byte: well-formed ones in any pieces, and ones that no library sends. */
import { randomBytes } from 'node:crypto'

export interface HelloOptions {
  readonly serverName?: string
  /** Bytes of padding (RFC 7685), to make it long. */
  readonly padding?: number
}

const u8 = (value: number): Buffer => Buffer.from([value])
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff])
const vector8 = (bytes: Buffer): Buffer => Buffer.concat([u8(bytes.length), bytes])
const vector16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes])
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), vector16(body)])

/** The handshake message alone, of a TLS 1.2 client. */
export function clientHello({ serverName = 'localhost', padding = 0 }: HelloOptions = {}): Buffer {
  const extensions = [
    extension(0, vector16(Buffer.concat([u8(0), vector16(Buffer.from(serverName, 'latin1'))]))),
    extension(10, vector16(Buffer.from([0, 29, 0, 23]))), // X25519, P-256
    extension(11, vector8(Buffer.from([0]))),
    extension(13, vector16(Buffer.from([4, 3, 8, 4]))), // ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256
    ...(padding === 0 ? [] : [extension(21, Buffer.alloc(padding))]),
  ]
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    randomBytes(32),
    vector8(Buffer.alloc(0)),
    vector16(Buffer.from([0xc0, 0x2b, 0xc0, 0x2f])),
    vector8(Buffer.from([0])),
    vector16(Buffer.concat(extensions)),
  ])
  return Buffer.concat([u8(1), u24(body.length), body])
}

/** In TLS records of at most `size` bytes. */
export function records(message: Buffer, size = 16_384): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    parts.push(Buffer.from([22, 3, 1]), vector16(message.subarray(at, at + size)))
  }
  return Buffer.concat(parts)
}
