/**
 * Figures over many spans, folded from the rows of all replicas: counts add up, and quantiles come of added buckets. A span
 * counts for as many as it stands for where traces were sampled, so that figures are of all that happened.
 */
import { driftOf } from '../assembly/clocks.ts'
import type { ApiResponse } from '../store/protocol.ts'
import { BadQuery, json, type Parameters, type QueryContext, type TimeRange, timeRange } from './context.ts'
import { bucketStartUs, Durations } from './quantiles.ts'
import { type RowsQuestion, tuples } from './rows.ts'

const MAX_COLUMNS = 400

/** The rows of all replicas as tuples of `T`. */
async function rowsOf<T extends readonly unknown[]>(question: RowsQuestion, context: QueryContext): Promise<T[]> {
  return tuples<T>(await context.spans.rows(question))
}

interface Figures {
  calls: number
  errors: number
  readonly durations: Durations
}

const figures = (): Figures => ({ calls: 0, errors: 0, durations: new Durations() })

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

const seconds = ({ fromNs, toNs }: TimeRange): number => Number(toNs - fromNs) / 1e9

/** Services with their routes: requests that they served, failures and latency. */
export async function services(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, context.nowMs)
  const rows = await rowsOf<[string, string, boolean, number, number, number]>({ of: 'services', ...range }, context)
  const all = new Map<string, { spans: number; own: Figures; routes: Map<string, Figures> }>()
  for (const [service, route, served, bucket, count, errors] of rows) {
    const one = entryOf(all, service, () => ({ spans: 0, own: figures(), routes: new Map() }))
    one.spans += count
    if (!served) continue
    for (const into of [one.own, entryOf(one.routes, route, figures)]) {
      into.calls += count
      into.errors += errors
      into.durations.add(bucket, count)
    }
  }
  const figuresOf = ({ calls, errors, durations }: Figures): object => ({
    ...{ calls: Math.round(calls), errors: Math.round(errors) },
    ...durations.figures(),
  })
  const list = [...all].map(([service, { spans, own, routes }]) => ({
    service,
    spans: Math.round(spans),
    ...figuresOf(own),
    routes: [...routes]
      .map(([route, one]) => ({ route, ...figuresOf(one), order: one.calls }))
      .sort((a, b) => b.order - a.order)
      .slice(0, 200)
      .map(({ order: _, ...route }) => route),
  }))
  return json({ seconds: seconds(range), services: list.sort((a, b) => a.service.localeCompare(b.service)) })
}

const RELATIONS = ['call', 'entry', 'outside'] as const

/** The service map: an edge for each caller and callee. */
export async function map(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, context.nowMs)
  type EdgeRow = [client: string, server: string, relation: number, bucket: number, network: number, ...counts: Counts]
  const edges = new Map<
    string,
    Figures & { readonly ends: readonly [string, string, number]; readonly network: Durations }
  >()
  for (const row of await rowsOf<EdgeRow>({ of: 'map', ...range }, context)) {
    const [client, server, relation, bucket, network, count, failed] = row
    const ends = [client, server, relation] as const
    const edge = entryOf(edges, JSON.stringify(ends), () => ({ ...figures(), ends, network: new Durations() }))
    edge.calls += count
    edge.errors += failed
    edge.durations.add(bucket, count)
    edge.network.add(network, count)
  }
  const list = [...edges.values()].map(({ ends: [client, server, relation], calls, errors, durations, network }) => ({
    client: relation === 1 ? null : client,
    server,
    relation: RELATIONS[relation],
    calls: Math.round(calls),
    errors: Math.round(errors),
    perSecond: calls / seconds(range),
    ...durations.figures(),
    networkP50Us: network.quantile(0.5),
    networkP99Us: network.quantile(0.99),
  }))
  return json({ seconds: seconds(range), edges: list.sort((a, b) => b.calls - a.calls) })
}

/** Latency by time: how many spans in each cell of columns of time and rows of duration. */
export async function heatmap(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs', 'service', 'route', 'columns', 'kind'])
  const range = timeRange(parameters, context.nowMs)
  const columns = parameters.int('columns', 1, MAX_COLUMNS) ?? 120
  const stepNs = (range.toNs - range.fromNs) / BigInt(columns) + 1n
  const named = { service: parameters.text('service'), route: parameters.text('route') }
  const rows = await rowsOf<[number, number, number, number]>({ of: 'heatmap', ...range, stepNs, ...named }, context)
  const cells = new Map<string, { column: number; bucket: number; count: number; errors: number }>()
  for (const [column, bucket, count, errors] of rows) {
    const cell = entryOf(cells, `${column} ${bucket}`, () => ({ column, bucket, count: 0, errors: 0 }))
    cell.count += count
    cell.errors += errors
  }
  const used = [...new Set([...cells.values()].map(({ bucket }) => bucket))].sort((a, b) => a - b)
  return json({
    fromMs: Number(range.fromNs / 1_000_000n),
    stepMs: Number(stepNs) / 1e6,
    columns,
    buckets: used.map((bucket) => ({ bucket, fromUs: bucketStartUs(bucket), toUs: bucketStartUs(bucket + 1) })),
    cells: [...cells.values()].map((cell) => ({
      ...cell,
      ...{ count: Math.round(cell.count), errors: Math.round(cell.errors) },
    })),
  })
}

/** What the idempotency stages decided. */
export async function idempotency(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, context.nowMs)
  const rows = await rowsOf<[string, string, string, ...Counts]>({ of: 'idempotency', ...range }, context)
  const all = new Map<string, { service: string; route: string; outcome: string; count: number; errors: number }>()
  for (const [service, route, outcome, count, errors] of rows) {
    const one = entryOf(all, JSON.stringify([service, route, outcome]), () => ({
      ...{ service, route, outcome, count: 0, errors: 0 },
    }))
    one.count += count
    one.errors += errors
  }
  const outcomes = [...all.values()].map((one) => ({
    ...one,
    ...{ count: Math.round(one.count), errors: Math.round(one.errors) },
  }))
  return json({ outcomes: outcomes.sort((a, b) => b.count - a.count) })
}

/** Clocks of pairs of hosts: the best sample of each minute, and how it moves. */
export async function clocks(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, context.nowMs)
  if (seconds(range) > 90_000) throw new BadQuery('clocks: at most 25 hours at once')
  type ClockRow = [
    client: string,
    server: string,
    minute: number,
    offset: number,
    uncertainty: number,
    ...counts: Counts,
  ]
  const pairs = new Map<string, Pair>()
  for (const row of await rowsOf<ClockRow>({ of: 'clocks', ...range }, context)) {
    const [client, server, minute, offsetUs, uncertaintyUs, count, impossible] = row
    const pair = entryOf(pairs, JSON.stringify([client, server]), () => ({
      ...{ client, server, points: new Map(), samples: 0, impossible: 0 },
    }))
    pair.samples += count
    pair.impossible += impossible
    const known = pair.points.get(minute)
    if (uncertaintyUs < 0 || (known !== undefined && known.uncertaintyUs <= uncertaintyUs)) continue
    pair.points.set(minute, { atS: minute * 60, offsetUs, uncertaintyUs })
  }
  const list = [...pairs.values()].map((pair) => {
    const points = [...pair.points.values()].sort((a, b) => a.atS - b.atS)
    const best = points.reduce<Point | undefined>(
      (least, point) => (least === undefined || point.uncertaintyUs < least.uncertaintyUs ? point : least),
      undefined,
    )
    const drift = driftOf(points) ?? null
    const offset = best === undefined ? {} : { offsetUs: best.offsetUs, uncertaintyUs: best.uncertaintyUs }
    return { ...pair, ...offset, drift, points: points.slice(-120) }
  })
  return json({ pairs: list })
}

type Counts = [count: number, failed: number]

interface Pair {
  readonly client: string
  readonly server: string
  /** The best of each minute, by the minute. */
  readonly points: Map<number, Point>
  samples: number
  impossible: number
}

interface Point {
  readonly atS: number
  readonly offsetUs: number
  readonly uncertaintyUs: number
}

/** What is kept, in all and by replica. */
export async function status(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only([])
  const answers = await context.spans.rows({ of: 'status', fromNs: 0n, toNs: 0n })
  const replicas = answers.map(({ replica, rows: [head] }) => {
    const [spans, waiting, bytes] = head as unknown as [number, number, number]
    return { replica, spans, waiting, bytes }
  })
  const sum = (of: (one: (typeof replicas)[number]) => number): number =>
    replicas.reduce((all, one) => all + of(one), 0)
  const several = replicas.length > 1 || replicas[0]?.replica !== ''
  return json({
    spans: sum(({ spans }) => spans),
    waiting: sum(({ waiting }) => waiting),
    bytes: sum(({ bytes }) => bytes),
    files: answers
      .flatMap(({ rows }) => rows.slice(1))
      .map(([createdMs, spans, bytes, fromNs, toNs]) => ({
        ...{ createdMs, spans, bytes, fromNs, toNs },
      })),
    names: context.names.size,
    ...(several ? { replicas } : {}),
  })
}
