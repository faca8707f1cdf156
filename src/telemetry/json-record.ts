/** Records that are rare enough for JSON: flags, the length of the text, and the text in UTF-8. */
import type { RingMemory, RingWriter } from './ring.ts'

const HEADER_WORDS = 2

/** Write a record; false: the ring is full. */
export function writeJson(ring: RingWriter, kind: number, flags: number, view: object): boolean {
  const text = Buffer.from(JSON.stringify(view))
  const words = HEADER_WORDS + ((text.length + 7) >> 3)
  const at = ring.reserve(words)
  if (at < 0) return false
  ring.memory.int32[at * 2 + 2] = flags
  ring.memory.int32[at * 2 + 3] = text.length
  ring.memory.bytes.set(text, (at + HEADER_WORDS) * 8)
  ring.commit(at, words, kind)
  return true
}

/** What the record at word `at` is for. */
export function jsonFlags(memory: RingMemory, at: number): number {
  return memory.int32[at * 2 + 2]!
}

/** What was given to {@link writeJson}. */
export function readJson(memory: RingMemory, at: number): unknown {
  const start = (at + HEADER_WORDS) * 8
  return JSON.parse(memory.bytes.toString('utf8', start, start + memory.int32[at * 2 + 3]!))
}
