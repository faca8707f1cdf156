/** The last exchanges of a process that may be gone, out of its mapped file. */
import { readCall } from '../call-record.ts'
import { readFacts } from '../connection-facts.ts'
import type { RecordedView } from '../flight-recorder.ts'
import * as L from '../record-layout.ts'
import { dated, viewExchange } from '../record-view.ts'
import { type RingMemory, ringOver, walkLeft } from '../ring.ts'
import { readTunnel } from '../tunnel-record.ts'
import { type DetailRedaction, maskedRedaction, viewDetails } from './details.ts'
import { H_LAST_WORDS, H_LAYOUT, H_MAGIC, layoutMark, MAGIC, W_ORIGIN } from './mapped-ring.ts'

const HEADER_WORDS = 16
const KINDS: ReadonlySet<number> = new Set([L.EXCHANGE, L.FACTS, L.TUNNEL, L.CALL])

export const isMapped = (bytes: Buffer): boolean =>
  bytes.length > HEADER_WORDS * 8 && bytes.readInt32LE(H_MAGIC * 4) === MAGIC

/**
 * Newest first. Throws where the file is of another version of this program, or is none. Records that cannot be read, as of
 * a file that was damaged, are left out.
 */
export function readMapped(file: Buffer): RecordedView[] {
  const redaction = maskedRedaction()
  if (!isMapped(file)) throw new Error('not a file of the flight recorder')
  const words = Math.floor(file.length / 8) - HEADER_WORDS
  if (words < 512 || (words & (words - 1)) !== 0) throw new Error('a file of the flight recorder, but cut')
  const copy = new ArrayBuffer((words + HEADER_WORDS) * 8)
  new Uint8Array(copy).set(file.subarray(0, copy.byteLength))
  const memory = ringOver(copy)
  if (memory.int32[H_LAYOUT] !== layoutMark()) throw new Error('written by another version of hopscope')
  const found: { readonly at: number; readonly kind: number }[] = []
  walkLeft(memory, lastWords(memory), (at, _words, kind) => found.push({ at, kind }))
  const facts = new Map<number, L.ConnectionFactsRecord>()
  const views: RecordedView[] = []
  // Facts stand before what refers to them.
  for (const { at, kind } of found.reverse()) {
    if (kind === L.FACTS) {
      const read = readFacts(memory.int32, memory.bytes, at)
      facts.set(read.connection, read)
      continue
    }
    const view = viewOf(memory, at, kind, facts, redaction)
    if (view !== undefined) views.push(view)
  }
  return views.reverse()
}

function viewOf(
  memory: RingMemory,
  at: number,
  kind: number,
  facts: ReadonlyMap<number, L.ConnectionFactsRecord>,
  redaction: DetailRedaction,
): RecordedView | undefined {
  const originUs = memory.float64[W_ORIGIN]!
  try {
    if (kind === L.TUNNEL) return dated(readTunnel(memory, at), originUs)
    if (kind === L.CALL) return dated(readCall(memory, at), originUs)
    const own = facts.get(memory.int32[at * 2 + L.H_CONNECTION]!)
    const view = viewExchange(memory, at, own, redaction.query, originUs)
    return { ...view, ...viewDetails(memory, at, redaction) }
  } catch {
    return undefined
  }
}

/** Of the newest record: as was noted, or, where the end came between the two, of what lies before the tail. */
function lastWords(memory: RingMemory): number {
  const noted = memory.int32[H_LAST_WORDS]!
  if (isRecord(memory, noted)) return noted
  for (let words = 2; words < memory.capacity >> 1; words++) if (isRecord(memory, words)) return words
  return 0
}

function isRecord({ int32, capacity }: RingMemory, words: number): boolean {
  if (words <= 0) return false
  const at = ((int32[0]! - words) & (capacity - 1)) + HEADER_WORDS
  const first = int32[at * 2]!
  return (first & 0xffffff) === words && KINDS.has(first >>> 24)
}
