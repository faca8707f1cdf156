/** Figures over many spans. They count what is in files, which is all but the last second or two. */
import { driftOf } from '../assembly/clocks.ts'
import type { ApiResponse } from '../store/protocol.ts'
import type { SpanFile } from '../store/span-file.ts'
import { BadQuery, json, type Parameters, type QueryContext, type TimeRange, timeRange } from './context.ts'
import { bucketSql, bucketStartUs, Durations } from './quantiles.ts'
import { nameOf } from './search.ts'

const MAX_ROWS = 50_000
const MAX_COLUMNS = 400

/** Runs `sql` on each file that the range touches. */
async function overFiles(
  context: QueryContext,
  range: TimeRange,
  sql: (file: SpanFile, where: string) => string,
): Promise<unknown[][]> {
  const where = `start_ns BETWEEN ${range.fromNs} AND ${range.toNs}`
  const rows: unknown[][] = []
  for (const file of context.store.files.filter((one) => one.overlaps(range.fromNs, range.toNs))) {
    rows.push(...(await context.store.engine.rows(`${sql(file, where)} LIMIT ${MAX_ROWS}`)))
  }
  return rows
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
  const rows = await overFiles(
    context,
    range,
    ({ db }, where) =>
      `SELECT service, route, kind IN (2, 5) AS served, ${bucketSql('duration_us')} AS bucket, count(*), count(*) FILTER (status = 2)
       FROM ${db}.spans WHERE ${where} GROUP BY ALL`,
  )
  const all = new Map<number, { spans: number; own: Figures; routes: Map<number, Figures> }>()
  for (const [service, route, served, bucket, count, errors] of rows as [
    number,
    number,
    boolean,
    number,
    bigint,
    bigint,
  ][]) {
    const one = entryOf(all, service, () => ({ spans: 0, own: figures(), routes: new Map() }))
    one.spans += Number(count)
    if (!served) continue
    for (const into of [one.own, entryOf(one.routes, route, figures)]) {
      into.calls += Number(count)
      into.errors += Number(errors)
      into.durations.add(bucket, Number(count))
    }
  }
  const figuresOf = ({ calls, errors, durations }: Figures): object => ({ calls, errors, ...durations.figures() })
  const list = [...all].map(([service, { spans, own, routes }]) => ({
    service: context.names.text(service),
    spans,
    ...figuresOf(own),
    routes: [...routes]
      .map(([route, one]) => ({ route: context.names.text(route), ...figuresOf(one), order: one.calls }))
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
  const rows = await overFiles(
    context,
    range,
    ({ db }, where) =>
      `SELECT client, server, relation, ${bucketSql('greatest(server_us, client_us)')} AS bucket,
       CASE WHEN relation = 0 THEN ${bucketSql('client_us - server_us')} ELSE 0 END AS network, count(*), sum(failed)
       FROM ${db}.edges WHERE ${where} GROUP BY ALL`,
  )
  const edges = new Map<string, Figures & { readonly ids: readonly number[]; readonly network: Durations }>()
  for (const [client, server, relation, bucket, network, count, failed] of rows as [
    ...[number, number, number, number, number],
    bigint,
    bigint,
  ][]) {
    const ids = [client, server, relation]
    const edge = entryOf(edges, ids.join(), () => ({ ...figures(), ids, network: new Durations() }))
    edge.calls += Number(count)
    edge.errors += Number(failed)
    edge.durations.add(bucket, Number(count))
    if (relation === 0) edge.network.add(network, Number(count))
  }
  const text = (id: number): string => context.names.text(id)
  const list = [...edges.values()].map(({ ids, calls, errors, durations, network }) => ({
    client: ids[2] === 1 ? null : text(ids[0]!),
    server: text(ids[1]!),
    relation: RELATIONS[ids[2]!],
    calls,
    errors,
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
  const service = nameOf(parameters.text('service'), context)
  const route = nameOf(parameters.text('route'), context)
  const conditions =
    (service === undefined ? '' : ` AND service = ${service}`) + (route === undefined ? '' : ` AND route = ${route}`)
  const rows = await overFiles(
    context,
    range,
    ({ db }, where) =>
      `SELECT ((start_ns - ${range.fromNs}) // ${stepNs})::INTEGER AS at, ${bucketSql('duration_us')} AS bucket, count(*), count(*) FILTER (status = 2)
       FROM ${db}.spans WHERE ${where} AND kind IN (2, 5)${conditions} GROUP BY ALL`,
  )
  const cells = new Map<string, { column: number; bucket: number; count: number; errors: number }>()
  for (const [column, bucket, count, errors] of rows as [number, number, bigint, bigint][]) {
    const cell = entryOf(cells, `${column} ${bucket}`, () => ({ column, bucket, count: 0, errors: 0 }))
    cell.count += Number(count)
    cell.errors += Number(errors)
  }
  const used = [...new Set([...cells.values()].map(({ bucket }) => bucket))].sort((a, b) => a - b)
  return json({
    fromMs: Number(range.fromNs / 1_000_000n),
    stepMs: Number(stepNs) / 1e6,
    columns,
    buckets: used.map((bucket) => ({ bucket, fromUs: bucketStartUs(bucket), toUs: bucketStartUs(bucket + 1) })),
    cells: [...cells.values()],
  })
}

/** What the idempotency stages decided. */
export async function idempotency(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, context.nowMs)
  const rows = await overFiles(
    context,
    range,
    ({ db }, where) =>
      `SELECT service, route, outcome, count(*), count(*) FILTER (status = 2), count(DISTINCT idempotency)
       FROM ${db}.spans WHERE ${where} AND outcome <> 0 GROUP BY ALL`,
  )
  const all = new Map<string, { service: string; route: string; outcome: string; count: number; errors: number }>()
  for (const [service, route, outcome, count, errors] of rows as [number, number, number, bigint, bigint][]) {
    const [serviceText, routeText, outcomeText] = [service, route, outcome].map((id) => context.names.text(id))
    const one = entryOf(all, `${service} ${route} ${outcome}`, () => ({
      ...{ service: serviceText!, route: routeText!, outcome: outcomeText!, count: 0, errors: 0 },
    }))
    one.count += Number(count)
    one.errors += Number(errors)
  }
  return json({ outcomes: [...all.values()].sort((a, b) => b.count - a.count) })
}

/** Clocks of pairs of hosts: the best sample of each minute, and how it moves. */
export async function clocks(parameters: Parameters, context: QueryContext): Promise<ApiResponse> {
  parameters.only(['from', 'to', 'lastMs'])
  const range = timeRange(parameters, context.nowMs)
  if (seconds(range) > 90_000) throw new BadQuery('clocks: at most 25 hours at once')
  const rows = await overFiles(
    context,
    range,
    ({ db }, where) =>
      `SELECT client_host, server_host, (start_ns // 60000000000)::BIGINT AS minute,
       coalesce(arg_min(offset_us, client_us - server_us) FILTER (client_us >= server_us), 0),
       coalesce(min(client_us - server_us) FILTER (client_us >= server_us) / 2, -1), count(*),
       count(*) FILTER (client_us < server_us)
       FROM ${db}.edges WHERE ${where} AND relation = 0 AND client_host <> server_host GROUP BY ALL ORDER BY 3`,
  )
  const pairs = new Map<
    string,
    { client: string; server: string; points: Point[]; samples: number; impossible: number }
  >()
  for (const [client, server, minute, offset, uncertainty, count, impossible] of rows as [
    ...[number, number, bigint, number, number],
    bigint,
    bigint,
  ][]) {
    const [clientText, serverText] = [client, server].map((id) => context.names.text(id))
    const pair = entryOf(pairs, `${client} ${server}`, () => ({
      ...{ client: clientText!, server: serverText!, points: [], samples: 0, impossible: 0 },
    }))
    pair.samples += Number(count)
    pair.impossible += Number(impossible)
    if (uncertainty >= 0) pair.points.push({ atS: Number(minute) * 60, offsetUs: offset, uncertaintyUs: uncertainty })
  }
  const list = [...pairs.values()].map((pair) => {
    const best = pair.points.reduce<Point | undefined>(
      (least, point) => (least === undefined || point.uncertaintyUs < least.uncertaintyUs ? point : least),
      undefined,
    )
    const drift = driftOf(pair.points) ?? null
    const offset = best === undefined ? {} : { offsetUs: best.offsetUs, uncertaintyUs: best.uncertaintyUs }
    return { ...pair, ...offset, drift, points: pair.points.slice(-120) }
  })
  return json({ pairs: list })
}

interface Point {
  readonly atS: number
  readonly offsetUs: number
  readonly uncertaintyUs: number
}

/** What is kept. */
export function status(context: QueryContext): ApiResponse {
  const { files } = context.store
  return json({
    spans: files.reduce((sum, { rows }) => sum + rows, 0),
    waiting: context.window.hot.reduce((sum, { extent }) => sum + extent.rows, 0),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    files: files.map(({ createdMs, rows, bytes, leastNs, mostNs }) => ({
      ...{ createdMs, spans: rows, bytes, fromNs: String(leastNs), toNs: String(mostNs) },
    })),
    names: context.names.size,
  })
}
