/** What a query works with, and its parameters read strictly: what is not understood is refused, never passed over. */
import type { Watch } from '../diagnosis/watch.ts'
import type { Names } from '../intake/names.ts'
import type { StoredSpan } from '../store/block-reader.ts'
import type { Pairing } from '../store/pairing.ts'
import type { ApiResponse } from '../store/protocol.ts'
import type { SpanQuery } from '../store/span-filter.ts'
import type { SpanRow } from '../store/span-row.ts'
import type { Row, RowsQuestion } from './rows.ts'

/** Spans of this replica, or of all of them. */
export interface SpanSource {
  /** All spans of a trace (32 hex digits), each id once. */
  trace(traceId: string): Promise<StoredSpan[]>
  /** One span of it (16 hex digits), without the others being read. */
  span(traceId: string, spanId: string): Promise<StoredSpan | undefined>
  /** Spans that match, latest first, at most `limit`; it may stop where there are spans of `traces` traces. */
  search(query: SpanQuery, limit: number, traces?: number): Promise<SpanRow[]>
  rowsOf(traceIds: readonly string[], fromNs: bigint, toNs: bigint): Promise<SpanRow[]>
  /** Rows of each replica that answered, ours first. */
  rows(question: RowsQuestion): Promise<readonly ReplicaRows[]>
}

export interface ReplicaRows {
  /** '' where there is one alone. */
  readonly replica: string
  readonly rows: readonly Row[]
}

export interface QueryContext {
  readonly spans: SpanSource
  /** Of this replica. */
  readonly names: Names
  readonly pairing: Pick<Pairing, 'servedBy'>
  readonly watch: Pick<Watch, 'expectations'>
  readonly nowMs: number
}

/** A request that cannot be answered as it is. */
export class BadQuery {
  readonly status: number
  readonly message: string

  constructor(message: string, status = 400) {
    this.message = message
    this.status = status
  }
}

export function json(value: unknown, status = 200): ApiResponse {
  return { status, contentType: 'application/json', body: JSON.stringify(value) }
}

const MOST = 1e15

export class Parameters {
  readonly #given: URLSearchParams

  constructor(given: URLSearchParams) {
    this.#given = given
  }

  /** Throws BadQuery where a parameter is there that none of `known` is. */
  only(known: readonly string[]): void {
    for (const name of this.#given.keys()) {
      if (!known.includes(name)) throw new BadQuery(`unknown parameter ${name}; there are ${known.join(', ')}`)
    }
  }

  text(name: string): string | undefined {
    const value = this.#given.get(name)
    return value === null || value === '' ? undefined : value
  }

  all(name: string): string[] {
    return this.#given.getAll(name).filter((value) => value !== '')
  }

  int(name: string, least: number, most: number): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const number = Number(value)
    if (!Number.isInteger(number) || number < least || number > most) {
      throw new BadQuery(`${name}: a whole number, ${least} to ${most}, is expected`)
    }
    return number
  }

  number(name: string): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const number = Number(value)
    // Beyond that it could be no finite number in another unit.
    if (!(number >= 0 && number <= MOST)) throw new BadQuery(`${name}: a number from 0 is expected`)
    return number
  }

  bool(name: string): boolean | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (value !== 'true' && value !== 'false') throw new BadQuery(`${name}: true or false is expected`)
    return value === 'true'
  }
}

/** A span of time in nanoseconds since the epoch. */
export interface TimeRange {
  readonly fromNs: bigint
  readonly toNs: bigint
}

const MILLISECOND = 1_000_000n
/** Clocks of senders may be ahead of ours. */
const AHEAD_MS = 60_000

/** `from` and `to` in milliseconds since the epoch, or the last `lastMs`; an hour where neither is given. */
export function timeRange(parameters: Parameters, nowMs: number, defaultMs = 3_600_000): TimeRange {
  const most = 8.64e15
  const from = parameters.int('from', 0, most)
  const to = parameters.int('to', 0, most)
  const last = parameters.int('lastMs', 1, most) ?? defaultMs
  const end = to ?? Math.floor(nowMs) + AHEAD_MS
  const start = from ?? (to ?? Math.floor(nowMs)) - last
  if (start > end) throw new BadQuery('from is after to')
  return { fromNs: BigInt(Math.max(0, start)) * MILLISECOND, toNs: BigInt(end) * MILLISECOND }
}
