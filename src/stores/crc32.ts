/** CRC-32 (ISO 3309, as in zlib), by the runtime where it has it (Node 22.2 and later), else by a table. */
import * as zlib from 'node:zlib'

type Crc32 = (data: Buffer, value?: number) => number

const native = (zlib as { readonly crc32?: Crc32 }).crc32

const TABLE = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  TABLE[byte] = value
}

/** Exported for its test: the same on every Node. */
export function crc32ByTable(data: Buffer): number {
  let value = 0xffffffff
  for (let i = 0; i < data.length; i++) value = (value >>> 8) ^ TABLE[(value ^ data[i]!) & 0xff]!
  return (value ^ 0xffffffff) >>> 0
}

export const crc32: (data: Buffer) => number = native === undefined ? crc32ByTable : (data) => native(data)

/** Whether megabytes may be summed without being felt. */
export const CRC32_IS_FAST = native !== undefined
