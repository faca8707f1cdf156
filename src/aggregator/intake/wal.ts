/**
 * The write-ahead log on disk: one file a segment, whose bytes are the raw part of that segment. Writes are grouped: all
 * that was appended while the last write was under way goes with the next one. A frame that a crash cut short ends a
 * file when it is read back; nothing behind it was acknowledged.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { FRAME_HEADER_BYTES } from './segment.ts'

/**
 * When what is written is forced to the disk itself. `always`: before it is acknowledged, so that it survives a power
 * cut. `second`: within a second. `never`: when the system sees fit. A killed process loses nothing in any of them.
 */
export type WalSync = 'always' | 'second' | 'never'

const FILE = /^(\d{12})\.wal$/
const fileName = (sequence: number): string => `${String(sequence).padStart(12, '0')}.wal`

/** Makes the folder; gives the numbers of the segments that are there, rising. */
export function openWalFolder(folder: string): number[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return readdirSync(folder)
    .flatMap((name) => FILE.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

export function readWalFile(folder: string, sequence: number): Buffer {
  return readFileSync(join(folder, fileName(sequence)))
}

/** A file that stays is looked at, and removed, at the next start. */
export async function removeWalFile(folder: string, sequence: number): Promise<void> {
  await rm(join(folder, fileName(sequence)), { force: true }).catch(() => {})
}

/** Writes the header of the frame at `at`, whose payload stands behind it already. */
export function sealFrame(raw: Buffer, at: number, payloadBytes: number, receivedMs: number): void {
  raw.writeUInt32LE(payloadBytes, at)
  raw.writeDoubleLE(receivedMs, at + 8)
  raw.writeUInt32LE(crc32(raw.subarray(at + 8, at + FRAME_HEADER_BYTES + payloadBytes)), at + 4)
}

/** A frame: where its payload stands, and when it was received. */
export interface Frame {
  readonly at: number
  readonly start: number
  readonly end: number
  readonly receivedMs: number
}

/** The whole frames from the beginning of `bytes` on; stops at the first that is cut short or damaged. */
export function* framesOf(bytes: Buffer): Generator<Frame> {
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; ) {
    const start = at + FRAME_HEADER_BYTES
    const end = start + bytes.readUInt32LE(at)
    if (end > bytes.length || end === start) return
    if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) return
    yield { at, start, end, receivedMs: bytes.readDoubleLE(at + 8) }
    at = end
  }
}

/** The file of one segment while it is written. */
export class WalFile {
  readonly sequence: number
  readonly #path: string
  readonly #folder: string
  #handle: FileHandle | undefined
  #written = 0
  #unsynced = false

  constructor(folder: string, sequence: number) {
    this.sequence = sequence
    this.#folder = folder
    this.#path = join(folder, fileName(sequence))
  }

  /** Write what of `raw` below `length` is not written yet, and force it to disk where asked. Rejects with the error. */
  async write(raw: Buffer, length: number, sync: boolean): Promise<void> {
    if (this.#handle === undefined) {
      this.#handle = await open(this.#path, 'w', 0o600)
      if (sync) await syncFolder(this.#folder)
    }
    while (this.#written < length) {
      const { bytesWritten } = await this.#handle.write(raw, this.#written, length - this.#written, this.#written)
      this.#written += bytesWritten
      this.#unsynced = true
    }
    if (sync) await this.sync()
  }

  async sync(): Promise<void> {
    if (!this.#unsynced || this.#handle === undefined) return
    this.#unsynced = false
    try {
      await this.#handle.datasync()
    } catch (error) {
      this.#unsynced = true
      throw error
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}

/** A new file's name is only safe with its folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
