/** Raw requests packed into blocks of one file: read back whole, a block for each trace or attribute asked for. */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'

/** A block is closed when it has so many bytes; one large request is a block of its own. */
export const BLOCK_BYTES = 256 * 1024
/** No block is larger unpacked: the largest frame and what came before it. */
const MAX_UNPACKED = 8 * 1024 * 1024

/**
 * Quality 0 packs spans to a tenth or twelfth at 1.6 GB/s. Quality 1 saves up to a sixth of the bytes for twice the time,
 * deflate is slower than both. The window takes a whole block in, those of large requests too.
 */
const PACKING = { params: { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 20 } }

/** The disk does not have any more what was written. */
export class DamagedBlock extends Error {}

export interface BlockPlace {
  readonly at: number
  readonly packed: number
  readonly unpacked: number
}

export class BlockFile {
  readonly #fd: number
  #end: number

  constructor(path: string) {
    this.#fd = openSync(path, 'a+', 0o600)
    this.#end = fstatSync(this.#fd).size
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#end
  }

  append(raw: Uint8Array): BlockPlace {
    const packed = brotliCompressSync(raw, PACKING)
    const at = this.#end
    for (let done = 0; done < packed.length; ) done += writeSync(this.#fd, packed, done)
    this.#end += packed.length
    return { at, packed: packed.length, unpacked: raw.length }
  }

  /** Forget what was appended behind `end`: the rows for it were not committed. */
  truncate(end: number): void {
    if (end >= this.#end) return
    ftruncateSync(this.#fd, end)
    this.#end = end
  }

  sync(): void {
    fdatasyncSync(this.#fd)
  }

  read({ at, packed }: BlockPlace): Buffer {
    const bytes = Buffer.allocUnsafe(packed)
    const read = readSync(this.#fd, bytes, 0, packed, at)
    if (read !== packed) throw new DamagedBlock(`block at ${at}: ${read} bytes where ${packed} should be`)
    try {
      return brotliDecompressSync(bytes, { maxOutputLength: MAX_UNPACKED })
    } catch (error) {
      throw new DamagedBlock(`block at ${at}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}
