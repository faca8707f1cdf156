/** Names and their numbers on disk: appended before the rows that use them, and read whole at start. */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { FRAME_HEADER_BYTES } from '../intake/segment.ts'
import { framesOf, sealFrame } from '../intake/wal.ts'

/** Frames as those of the write-ahead log; the payload is a JSON list of texts. */
export class NamesFile {
  readonly #fd: number
  readonly texts: string[]
  #end: number

  constructor(path: string) {
    this.#fd = openSync(path, 'a+', 0o600)
    const bytes = fstatSync(this.#fd).size === 0 ? Buffer.alloc(0) : readFileSync(path)
    this.texts = []
    this.#end = 0
    for (const { start, end } of framesOf(bytes)) {
      this.texts.push(...(JSON.parse(bytes.toString('utf8', start, end)) as string[]))
      this.#end = end
    }
    // A frame that a crash cut short.
    if (this.#end < bytes.length) ftruncateSync(this.#fd, this.#end)
  }

  /** Throws where the disk is full: nothing of it is there then. */
  append(texts: readonly string[]): void {
    if (texts.length === 0) return
    const payload = Buffer.from(JSON.stringify(texts))
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length)
    payload.copy(frame, FRAME_HEADER_BYTES)
    sealFrame(frame, 0, payload.length, 0)
    try {
      for (let done = 0; done < frame.length; ) done += writeSync(this.#fd, frame, done)
      fdatasyncSync(this.#fd)
    } catch (error) {
      // Behind half a frame nothing is read again.
      ftruncateSync(this.#fd, this.#end)
      throw error
    }
    this.#end += frame.length
    for (const text of texts) this.texts.push(text)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
