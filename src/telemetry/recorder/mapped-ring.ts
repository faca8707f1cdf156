/**
 * The ring in a memory-mapped file: the last records, redacted, that outlive the process however it ends. Written by the
 * telemetry thread a moment after the fact, for secrets must never get there; what the process did in its last tenth of
 * a second may be missing. Read by `hopscope recording FILE`.
 */
import { existsSync, renameSync } from 'node:fs'
import { FileLock } from '../../native/file-lock.ts'
import { createMapped } from '../../native/mapped-file.ts'
import { writeFacts } from '../connection-facts.ts'
import * as L from '../record-layout.ts'
import { withoutUserinfo } from '../redact.ts'
import { openRing, type RingMemory, RingWriter, ringBytes, ringOver } from '../ring.ts'
import type { DetailRedaction } from './details.ts'
import { maskExchange } from './record-masking.ts'

/** Half-words of the header, beside those of the ring. */
export const H_MAGIC = 2
export const H_LAYOUT = 3
export const H_LAST_WORDS = 4
export const H_PID = 5
/** Word of the header: microseconds to add to the clock of records. */
export const W_ORIGIN = 3
/** "HSR1". */
export const MAGIC = 0x31525348

/** Changes with whatever records mean: a reader of another version must not guess. */
export function layoutMark(): number {
  const text = [L.W_STRINGS, L.H_SECTIONS, L.F_BODIES, ...L.METHODS, ...L.ERROR_NAMES, ...L.ERROR_PHASES].join()
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

const SCRATCH_BYTES = 256 * 1024
const SCRATCH_AT = 16
/** Facts of a connection are written again when those before are this share of the ring behind. */
const FACTS_WITHIN = 0.25

export interface MappedRingOptions {
  readonly path: string
  readonly bytes: number
  /** Processes that have the path for theirs. */
  readonly processes: number
}

export class MappedRing {
  /** Where it is: of several processes each takes the first that no other has. */
  readonly path: string
  readonly #redaction: DetailRedaction
  readonly #memory: RingMemory
  readonly #writer: RingWriter
  readonly #scratch = openRing(SCRATCH_BYTES)
  /** Whose facts are there by slot, and what was written before them, in words. */
  readonly #facts = new Map<number, { connection: number; upstreamPort: number; at: number }>()
  readonly #lock: FileLock
  #written = 0

  /** Throws where the file cannot be had. What is there is moved to `.previous`: it may be of a process that was killed. */
  constructor(options: MappedRingOptions, redaction: DetailRedaction) {
    const [path, lock] = take(options)
    this.path = path
    this.#lock = lock
    this.#redaction = redaction
    if (existsSync(path)) renameSync(path, `${path}.previous`)
    this.#memory = ringOver(createMapped(path, ringBytes(options.bytes)))
    this.#writer = new RingWriter(this.#memory)
    const { int32 } = this.#memory
    int32[H_LAYOUT] = layoutMark()
    int32[H_PID] = process.pid
    int32[H_MAGIC] = MAGIC
  }

  set originUs(us: number) {
    this.#memory.float64[W_ORIGIN] = us
  }

  /** Copy the record of `words` at word `at` of `from`. `facts`: of the connection of an EXCHANGE. */
  write(from: RingMemory, at: number, words: number, kind: number, facts: L.ConnectionFactsRecord | undefined): void {
    const { bytes } = this.#scratch
    bytes.set(from.bytes.subarray(at * 8, (at + words) * 8), SCRATCH_AT * 8)
    if (kind === L.EXCHANGE) {
      if (facts !== undefined) this.#putFacts(facts)
      maskExchange(this.#scratch, SCRATCH_AT, this.#redaction)
    }
    this.#put(words, kind)
  }

  /** Once before the exchanges of a connection, and again before they are overwritten. */
  #putFacts(facts: L.ConnectionFactsRecord): void {
    const slot = facts.connection & (L.FACT_SLOTS - 1)
    const known = this.#facts.get(slot)
    const isThere = known?.connection === facts.connection && known.upstreamPort === facts.upstreamPort
    if (isThere && this.#written - known.at < this.#memory.capacity * FACTS_WITHIN) return
    writeFacts(this.#writer, { ...facts, host: withoutUserinfo(facts.host) })
    this.#memory.int32[H_LAST_WORDS] = this.#writer.lastWords
    this.#facts.set(slot, { connection: facts.connection, upstreamPort: facts.upstreamPort, at: this.#written })
  }

  #put(words: number, kind: number): void {
    const to = this.#writer.reserve(words)
    // Larger than half of the file.
    if (to < 0) return
    this.#memory.bytes.set(this.#scratch.bytes.subarray((SCRATCH_AT + 1) * 8, (SCRATCH_AT + words) * 8), (to + 1) * 8)
    this.#writer.commit(to, words, kind)
    this.#memory.int32[H_LAST_WORDS] = this.#writer.lastWords
    this.#written += words
  }

  close(): void {
    this.#lock.release()
  }
}

function take({ path, processes }: MappedRingOptions): readonly [string, FileLock] {
  for (let n = 1; n <= processes; n++) {
    const own = n === 1 ? path : `${path}.${n}`
    const lock = FileLock.take(`${own}.lock`)
    if (lock !== undefined) return [own, lock]
  }
  throw new Error(`${path} is another process's`)
}
