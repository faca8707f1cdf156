/**
 * Counted rows beneath the figures over many spans, as one replica has them: names as texts and all numbers plain, so that
 * rows of several replicas can stand in one list. They count what is in files, all but the last second or two.
 */
import { lookBack, type Replay } from '../diagnosis/look-back.ts'
import type { Watch } from '../diagnosis/watch.ts'
import type { Names } from '../intake/names.ts'
import { isMeasureSql } from '../measure.ts'
import type { SpanFile } from '../store/span-file.ts'
import type { Window } from '../store/span-reader.ts'
import type { SpanStore } from '../store/span-store.ts'
import { bucketSql, NO_BUCKET } from './quantiles.ts'

export const ROWS_OF = [
  ...(['services', 'map', 'heatmap', 'idempotency', 'clocks', 'clockSamples'] as const),
  ...(['serviceNames', 'operations', 'status', 'incidents', 'diagnosis'] as const),
] as const
export type RowsOf = (typeof ROWS_OF)[number]

/** What is asked, in words that every replica understands. */
export interface RowsQuestion {
  readonly of: RowsOf
  readonly fromNs: bigint
  readonly toNs: bigint
  /** Of a column of the heat map. */
  readonly stepNs?: bigint
  readonly service?: string | undefined
  readonly route?: string | undefined
  readonly hosts?: readonly string[]
}

export type Row = readonly (string | number | boolean)[]

/** What one replica has. */
export interface LocalData {
  readonly store: SpanStore
  readonly names: Names
  readonly window: Window
  readonly watch: Pick<Watch, 'state' | 'retrospect'>
}

const MAX_ROWS = 50_000
/** A name that no span ever had matches none. */
const NO_NAME = 0xffffffff

interface Counted {
  readonly sql: (db: string, where: string, asked: Asked) => string
  /** Columns that are numbers of names. */
  readonly names: readonly number[]
  /** Over all files, whatever the time. */
  readonly everywhere?: boolean
}

/** A question with its names by number. */
interface Asked {
  readonly fromNs: bigint
  readonly stepNs: bigint
  readonly service: number | undefined
  readonly route: number | undefined
  readonly hosts: string
}

/** Spans that those there are stand for, and failures. */
const COUNTS = 'sum(weight), coalesce(sum(weight) FILTER (status = 2), 0)'

const COUNTED: Readonly<Record<Exclude<RowsOf, 'status' | 'incidents' | 'diagnosis'>, Counted>> = {
  services: {
    sql: (db, where) =>
      `SELECT service, route, kind IN (2, 5) AS served, ${bucketSql('duration_us')} AS bucket, ${COUNTS}
       FROM ${db}.spans WHERE ${where} GROUP BY ALL`,
    names: [0, 1],
  },
  map: {
    sql: (db, where) =>
      `SELECT client, server, relation, ${bucketSql('greatest(server_us, client_us)')} AS bucket,
       CASE WHEN relation = 0 AND ${isMeasureSql('greatest(server_us, client_us)')} THEN ${bucketSql('client_us - server_us')}
       ELSE ${NO_BUCKET} END AS network, sum(weight), coalesce(sum(weight) FILTER (failed = 1), 0)
       FROM ${db}.edges WHERE ${where} GROUP BY ALL`,
    names: [0, 1],
  },
  heatmap: {
    sql: (db, where, { fromNs, stepNs, service, route }) =>
      `SELECT ((start_ns - ${fromNs}) // ${stepNs})::INTEGER AS at, ${bucketSql('duration_us')} AS bucket, ${COUNTS}
       FROM ${db}.spans WHERE ${where} AND kind IN (2, 5)
       AND ${isMeasureSql('duration_us')}${is('service', service)}${is('route', route)} GROUP BY ALL`,
    names: [],
  },
  idempotency: {
    sql: (db, where) =>
      `SELECT service, route, outcome, ${COUNTS}
       FROM ${db}.spans WHERE ${where} AND outcome <> 0 GROUP BY ALL`,
    names: [0, 1, 2],
  },
  clocks: {
    sql: (db, where) =>
      `SELECT client_host, server_host, (start_ns // 60000000000)::BIGINT AS minute,
       coalesce(arg_min(offset_us, client_us - server_us) FILTER (client_us >= server_us), 0),
       coalesce(min(client_us - server_us) FILTER (client_us >= server_us) / 2, -1), count(*),
       count(*) FILTER (client_us < server_us)
       FROM ${db}.edges WHERE ${where} AND relation = 0 AND client_host <> server_host GROUP BY ALL ORDER BY 3`,
    names: [0, 1],
  },
  clockSamples: {
    sql: (db, where, { hosts }) =>
      `SELECT client_host, server_host, arg_min(offset_us, client_us - server_us), min(client_us - server_us) / 2, count(*)
       FROM ${db}.edges WHERE ${where} AND relation = 0 AND client_us >= server_us
       AND client_host <> server_host AND client_host IN (${hosts}) AND server_host IN (${hosts}) GROUP BY 1, 2`,
    names: [0, 1],
  },
  serviceNames: { sql: (db) => `SELECT DISTINCT service FROM ${db}.spans`, names: [0], everywhere: true },
  operations: {
    sql: (db, _, { service }) => `SELECT DISTINCT name, kind FROM ${db}.spans WHERE service = ${service}`,
    names: [0],
    everywhere: true,
  },
}

const is = (column: string, value: number | undefined): string =>
  value === undefined ? '' : ` AND ${column} = ${value}`

/** The rows of this replica. */
export async function localRows(question: RowsQuestion, data: LocalData, replay: Replay): Promise<Row[]> {
  if (question.of === 'status') return statusRows(data)
  // One row, which is no row of a table.
  if (question.of === 'incidents') return [[JSON.stringify(data.watch.state())]]
  if (question.of === 'diagnosis') {
    const [fromMs, toMs] = [Number(question.fromNs / 1_000_000n), Number(question.toNs / 1_000_000n)]
    return [[JSON.stringify(await lookBack(fromMs, toMs, data.watch.retrospect(fromMs), replay))]]
  }
  const counted = COUNTED[question.of]
  const where = `start_ns BETWEEN ${question.fromNs} AND ${question.toNs}`
  const asked = askedOf(question, data.names)
  const rows = hotRows(question, data, asked)
  const { files } = data.store
  const touched = counted.everywhere
    ? files
    : files.filter((one: SpanFile) => one.overlaps(question.fromNs, question.toNs))
  for (const { db } of [...touched]) {
    const found = await data.store.engine.rows(`${counted.sql(db, where, asked)} LIMIT ${MAX_ROWS}`)
    for (const values of found) rows.push(rowOf(values, counted, data.names))
  }
  return rows
}

function askedOf({ fromNs, stepNs, service, route, hosts }: RowsQuestion, names: Names): Asked {
  const id = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : (names.find(text) ?? NO_NAME)
  const hostIds = (hosts ?? []).flatMap((host) => names.find(host) ?? [])
  return {
    ...{ fromNs, stepNs: stepNs ?? 1n, service: id(service), route: id(route) },
    hosts: hostIds.length === 0 ? String(NO_NAME) : hostIds.join(),
  }
}

function rowOf(values: readonly unknown[], { names: columns }: Counted, names: Names): Row {
  return values.map((value, column) => {
    if (columns.includes(column)) return names.text(value as number)
    return typeof value === 'bigint' ? Number(value) : (value as number | boolean)
  })
}

/** Lists of names have those of segments in memory as well. */
function hotRows({ of }: RowsQuestion, { window, names }: LocalData, { service }: Asked): Row[] {
  if (of !== 'serviceNames' && of !== 'operations') return []
  const found = new Map<string, Row>()
  for (const { view, extent } of window.hot) {
    for (let row = 0; row < extent.rows; row++) {
      const [own, name, kind] = [view.service[row]!, view.name[row]!, view.kind[row]!]
      if (of === 'serviceNames') found.set(String(own), [names.text(own)])
      else if (own === service) found.set(`${name} ${kind}`, [names.text(name), kind])
    }
  }
  return [...found.values()]
}

/** First what is kept in all, then a row for each file. */
function statusRows({ store, window, names }: LocalData): Row[] {
  const { files } = store
  const sum = (of: (file: SpanFile) => number): number => files.reduce((total, file) => total + of(file), 0)
  const waiting = window.hot.reduce((total, { extent }) => total + extent.rows, 0)
  return [
    [sum(({ rows }) => rows), waiting, sum(({ bytes }) => bytes), names.size],
    ...files.map(({ createdMs, rows, bytes, leastNs, mostNs }): Row => {
      return [createdMs, rows, bytes, String(leastNs), String(mostNs)]
    }),
  ]
}

/** The rows of all replicas that answered, as the tuples that the question is known to give. */
export function tuples<T extends readonly unknown[]>(answers: readonly { readonly rows: readonly Row[] }[]): T[] {
  return answers.flatMap(({ rows }) => rows) as unknown as T[]
}
