/** What a search asks of spans; the same conditions over columns in memory and as SQL over files. */
import type { Names } from '../intake/names.ts'
import type { SegmentExtent, SegmentView } from '../intake/segment.ts'
import { wordsToNumber } from './span-row.ts'

export interface SpanFilter extends SpanConditions {
  /** Names by number. */
  readonly service?: number | undefined
  readonly name?: number | undefined
  readonly route?: number | undefined
  readonly error?: number | undefined
  readonly outcome?: number | undefined
}

/** The same with names as texts, as any replica understands it. */
export interface SpanQuery extends SpanConditions {
  readonly service?: string | undefined
  readonly name?: string | undefined
  readonly route?: string | undefined
  readonly error?: string | undefined
  readonly outcome?: string | undefined
}

interface SpanConditions {
  /** Starts, nanoseconds since the epoch, both ends included. */
  readonly fromNs: bigint
  readonly toNs: bigint
  readonly kind?: number | undefined
  /** Only failed ones, or only others. */
  readonly failed?: boolean | undefined
  readonly httpFrom?: number | undefined
  readonly httpTo?: number | undefined
  readonly minUs?: number | undefined
  readonly maxUs?: number | undefined
  /** Numbers that stand for the texts, see putHash. */
  readonly requestId?: bigint | undefined
  readonly idempotency?: bigint | undefined
  readonly attributes: readonly { readonly key: string; readonly value: string }[]
}

/** A name that no span ever had matches none. */
const NO_NAME = 0xffffffff

export function filterOf(query: SpanQuery, names: Pick<Names, 'find'>): SpanFilter {
  const id = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : (names.find(text) ?? NO_NAME)
  const { service, name, route, error, outcome, ...rest } = query
  return {
    ...rest,
    ...{ service: id(service), name: id(name), route: id(route), error: id(error), outcome: id(outcome) },
  }
}

export function sqlOf(filter: SpanFilter): string {
  const parts = [`start_ns BETWEEN ${filter.fromNs} AND ${filter.toNs}`]
  const equal = (column: string, value: number | bigint | undefined): void => {
    if (value !== undefined) parts.push(`${column} = ${value}`)
  }
  equal('service', filter.service)
  equal('name', filter.name)
  equal('route', filter.route)
  equal('error', filter.error)
  equal('outcome', filter.outcome)
  equal('kind', filter.kind)
  equal('request_id', filter.requestId)
  equal('idempotency', filter.idempotency)
  if (filter.failed !== undefined) parts.push(filter.failed ? 'status = 2' : 'status <> 2')
  if (filter.httpFrom !== undefined) parts.push(`http >= ${filter.httpFrom}`)
  if (filter.httpTo !== undefined) parts.push(`http <= ${filter.httpTo}`)
  if (filter.minUs !== undefined) parts.push(`duration_us >= ${filter.minUs}`)
  if (filter.maxUs !== undefined) parts.push(`duration_us <= ${filter.maxUs}`)
  return parts.join(' AND ')
}

/** Rows of a segment that hold, attributes not looked at. */
export function matching(view: SegmentView, extent: SegmentExtent, filter: SpanFilter): number[] {
  const rows: number[] = []
  const { service, name, route, error, outcome, kind, failed } = filter
  const [from, to] = [Number(filter.fromNs), Number(filter.toNs)]
  for (let row = 0; row < extent.rows; row++) {
    if (view.duplicate[row] === 1) continue
    if (service !== undefined && view.service[row] !== service) continue
    if (route !== undefined && view.route[row] !== route) continue
    if (name !== undefined && view.name[row] !== name) continue
    if (kind !== undefined && view.kind[row] !== kind) continue
    if (failed !== undefined && (view.status[row] === 2) !== failed) continue
    if (error !== undefined && view.error[row] !== error) continue
    if (outcome !== undefined && view.outcome[row] !== outcome) continue
    const http = view.http[row]!
    if (http < (filter.httpFrom ?? 0) || http > (filter.httpTo ?? 65_535)) continue
    const duration = view.duration[row]!
    if (duration < (filter.minUs ?? 0) || duration > (filter.maxUs ?? Number.POSITIVE_INFINITY)) continue
    const start = view.start[row * 2 + 1]! * 0x100000000 + view.start[row * 2]!
    if (start < from || start > to) continue
    if (filter.requestId !== undefined && wordsToNumber(view.requestId, row * 2) !== filter.requestId) continue
    if (filter.idempotency !== undefined && wordsToNumber(view.idempotencyKey, row * 2) !== filter.idempotency) continue
    rows.push(row)
  }
  return rows
}
