/** The spans of all replicas: each is asked for its own, and the answers are merged. One object a query. */
import type { Member } from '../../core/members.ts'
import { inPortions } from '../portions.ts'
import type { ReplicaRows, SpanSource } from '../query/context.ts'
import { distinctSpans, type LocalSpans, spanAmong } from '../query/local-spans.ts'
import type { Row, RowsQuestion } from '../query/rows.ts'
import type { StoredSpan } from '../store/block-reader.ts'
import type { SpanQuery } from '../store/span-filter.ts'
import { readParts, type SpanParts } from '../store/span-parts.ts'
import { latestFirst, type SpanRow } from '../store/span-row.ts'
import { ask } from './ask.ts'
import type { ReplicaClient } from './client.ts'
import type { Question } from './questions.ts'
import { ASK_PATH, rowsIn, toWire } from './wire.ts'

/** One that is likely gone holds up each query no longer than this. */
const AWAY_TIMEOUT_MS = 1000

/** Who there is, as the query begins. */
export interface Fleet {
  /** This replica. */
  readonly own: string
  readonly others: readonly Member[]
  /** Those of the others that did not answer when they were last asked how they are. */
  readonly away: readonly string[]
  /** Replicas that never said who they are. */
  readonly unknown: readonly string[]
  readonly timeoutMs: number
}

interface Answered<T> {
  readonly replica: string
  readonly value: T
}

export class FleetSpans implements SpanSource {
  readonly #local: LocalSpans
  readonly #fleet: Fleet
  readonly #client: ReplicaClient
  /** Replicas that did not answer, and why. */
  readonly #missing = new Map<string, string>()
  #asked = false

  constructor(local: LocalSpans, fleet: Fleet, client: ReplicaClient) {
    this.#local = local
    this.#fleet = fleet
    this.#client = client
    for (const name of fleet.unknown) this.#missing.set(name, 'not reached yet')
  }

  /** Names of replicas that had no part in the answer; undefined where it is none that all have a part in. */
  get missing(): string[] | undefined {
    return this.#asked ? [...this.#missing.keys()].sort() : undefined
  }

  async trace(traceId: string): Promise<StoredSpan[]> {
    return inPortions(distinctSpans(traceId, await this.#parts(traceId)))
  }

  async span(traceId: string, spanId: string): Promise<StoredSpan | undefined> {
    return spanAmong(traceId, spanId, await this.#parts(traceId, spanId))
  }

  /** Replicas that know no `spanId` answer with the whole trace. */
  async #parts(traceId: string, spanId?: string): Promise<SpanParts[]> {
    const own = (): Promise<SpanParts[]> => this.#local.parts(traceId, spanId)
    const answers = await this.#all({ ask: 'trace', traceId, spanId }, own, readParts)
    const parts = answers.flatMap(({ value }) => value)
    // A span that two of them have came to one first.
    if (answers.length > 1) parts.sort((a, b) => a.receivedMs - b.receivedMs)
    return parts
  }

  async search(query: SpanQuery, limit: number, traces = limit): Promise<SpanRow[]> {
    const own = (): Promise<SpanRow[]> => this.#local.search(query, limit, traces)
    const answers = await this.#all({ ask: 'search', query, limit, traces }, own, rowsIn<SpanRow>)
    return distinctRows(answers).sort(latestFirst).slice(0, limit)
  }

  async rowsOf(traceIds: readonly string[], fromNs: bigint, toNs: bigint): Promise<SpanRow[]> {
    if (traceIds.length === 0) return []
    const own = (): Promise<SpanRow[]> => this.#local.rowsOf(traceIds, fromNs, toNs)
    return distinctRows(await this.#all({ ask: 'rowsOf', traceIds, fromNs, toNs }, own, rowsIn<SpanRow>))
  }

  async rows(question: RowsQuestion): Promise<ReplicaRows[]> {
    const own = (): Promise<Row[]> => this.#local.localRows(question)
    const answers = await this.#all({ ask: 'rows', question }, own, rowsIn<Row>)
    return answers.map(({ replica, value }) => ({ replica, rows: value }))
  }

  /** Ours and those of all others that answer in time, ours first. Rejects where ours does. */
  async #all<T>(question: Question, own: () => Promise<T>, read: (body: Buffer) => T): Promise<Answered<T>[]> {
    this.#asked = true
    const text = toWire(question)
    const others = this.#fleet.others.map((member) => this.#ask(member, text, read))
    const value = await own()
    const answers = await Promise.all(others)
    return [{ replica: this.#fleet.own, value }, ...answers.filter((one) => one !== undefined)]
  }

  async #ask<T>(member: Member, text: string, read: (body: Buffer) => T): Promise<Answered<T> | undefined> {
    const { away, timeoutMs: most } = this.#fleet
    const timeoutMs = away.includes(member.name) ? Math.min(most, AWAY_TIMEOUT_MS) : most
    try {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
      const body = await ask(this.#client, member, { method: 'POST', path: ASK_PATH, headers, timeoutMs }, text)
      return { replica: member.name, value: read(body) }
    } catch (error) {
      this.#missing.set(member.name, error instanceof Error ? error.message : String(error))
      return undefined
    }
  }
}

/** A span that was delivered twice, to two of them, counts once. */
function distinctRows(answers: readonly Answered<readonly SpanRow[]>[]): SpanRow[] {
  const rows = new Map<string, SpanRow>()
  for (const { value } of answers) {
    for (const row of value) {
      const key = row.traceId + row.spanId
      if (!rows.has(key)) rows.set(key, row)
    }
  }
  return [...rows.values()]
}
