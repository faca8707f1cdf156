/** Walks the file in small steps: gives up bodies of expired records, forgets what is past its grace, counts the rest. */
import type { RecordState, Soon } from '../../exchange/idempotency-store.ts'
import { type Entry, nextFence, standingOf } from '../lifecycle.ts'
import type { FileRecords, Kept } from './records.ts'

/** Keys in a step, and the time between two: the first walk hurries, to know the counts. */
const STEP_KEYS = 64
const FIRST_STEP_MS = 10
const STEP_MS = 250
/** A walk takes about that long, however many records there are; a step never more keys than that many times as many. */
const WALK_MS = 600_000
const LARGEST_STEP = 4
/** A record that could not be read counts as unknown for so long. */
const DAMAGED_TTL_MS = 86_400_000

type Counts = Partial<Record<RecordState, number>>

export class FileSweep {
  readonly #records: FileRecords
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #after: Buffer | undefined
  #counting: Counts = {}
  #counted: Counts | undefined
  #walking = false
  /** Failed steps; the next one tries again. */
  failures = 0

  constructor(records: FileRecords, now: () => number) {
    this.#records = records
    this.#now = now
  }

  start(): void {
    this.#arm(FIRST_STEP_MS)
  }

  /** As of the last whole walk. */
  get counts(): Readonly<Counts> {
    return this.#counted ?? this.#counting
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => {
      void this.step(this.#stepKeys())
        .catch(() => {
          this.failures++
        })
        .finally(() => {
          if (this.#timer !== undefined) this.#arm(this.#counted === undefined ? FIRST_STEP_MS : this.#pauseMs())
        })
    }, delayMs).unref()
  }

  #stepKeys(): number {
    const steps = WALK_MS / STEP_MS
    return Math.min(STEP_KEYS * LARGEST_STEP, Math.max(STEP_KEYS, Math.ceil(this.#records.keys / steps)))
  }

  /** Shorter where steps of the greatest size would not do. */
  #pauseMs(): number {
    const steps = this.#records.keys / (STEP_KEYS * LARGEST_STEP)
    return Math.max(FIRST_STEP_MS * 2, Math.min(STEP_MS, WALK_MS / Math.max(1, steps)))
  }

  /** Look at the next keys. True: that was the end of a walk. */
  async step(keys: number): Promise<boolean> {
    if (this.#walking) return false
    this.#walking = true
    try {
      const { ids, last } = this.#records.idsAfter(this.#after, keys)
      const now = this.#now()
      // The read and the write of each are a pair.
      await Promise.all(ids.map((id) => this.#visit(id, now)))
      this.#after = last
      if (last !== undefined) return false
      this.#counted = this.#counting
      this.#counting = {}
      this.#records.look()
      this.#records.readerCheck()
      return true
    } finally {
      this.#walking = false
    }
  }

  #visit(id: string, now: number): Soon<boolean> | undefined {
    const kept = this.#records.get(id)
    if (kept === undefined) return undefined
    if (kept.entry === undefined) {
      this.#count('unknown')
      return kept.damaged ? this.#records.replace(id, kept, damagedEntry(now)) : undefined
    }
    const standing = standingOf(kept.entry, now)
    if (standing === 'free') return this.#records.remove(id, kept)
    this.#count(standing)
    return standing === 'expired' ? this.#strip(id, kept, kept.entry) : undefined
  }

  #strip(id: string, kept: Kept, entry: Entry): Soon<boolean> | undefined {
    if (entry.state === 'expired') return undefined
    return this.#records.replace(id, kept, { ...entry, state: 'expired', response: undefined })
  }

  #count(state: RecordState): void {
    this.#counting[state] = (this.#counting[state] ?? 0) + 1
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** What takes the place of a record that nobody can read, so that it ends some day. */
function damagedEntry(now: number): Entry {
  return {
    state: 'unknown',
    fingerprint: '',
    createdMs: now,
    requestId: '',
    traceparent: '',
    response: undefined,
    owner: '',
    fence: nextFence(0, now),
    leaseUntilMs: now,
    expiresMs: now + DAMAGED_TTL_MS,
    forgottenMs: now + 2 * DAMAGED_TTL_MS,
  }
}
