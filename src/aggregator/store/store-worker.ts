/** The store thread: files, pairing, metrics and every query. Started by client.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { nowUs, wallUs } from '../../core/clock.ts'
import { Watch } from '../diagnosis/watch.ts'
import { Names } from '../intake/names.ts'
import { type SegmentExtent, SegmentView } from '../intake/segment.ts'
import { ServiceGraph } from '../metrics/service-graph.ts'
import { SpanMetrics } from '../metrics/span-metrics.ts'
import { BadQuery } from '../query/context.ts'
import { LocalSpans } from '../query/local-spans.ts'
import { answerApi, withMissing } from '../query/router.ts'
import { ReplicaClient } from '../replicas/client.ts'
import { FleetSpans } from '../replicas/fleet-spans.ts'
import { answerOf } from '../replicas/wire.ts'
import { HeldSegments } from '../sampling/held-segments.ts'
import { Tail } from '../sampling/tail.ts'
import type { ClickHouseWriter } from './clickhouse.ts'
import { folderId } from './folder-id.ts'
import { LiveTraces } from './live-traces.ts'
import { type Edge, Pairing } from './pairing.ts'
import type { ApiResponse, FromStore, NewNames, SharedSegment, StoreSettings, ToStore } from './protocol.ts'
import { SpanReader } from './span-reader.ts'
import { SpanStore } from './span-store.ts'

const settings = workerData as StoreSettings
const port = parentPort!
// Finds numbers and gives none: the intake thread does that, and tells.
const names = new Names({ max: 0 })
const views = new WeakMap<SharedArrayBuffer, SegmentView>()
const EXPIRE_EVERY_MS = 10_000
const TAIL_EVERY_MS = 250
const RELEASE_EVERY_MS = 100
const LOOK_EVERY_MS = 1000
const SAVE_EVERY_MS = 60_000
const QUIET_MS = 1200

const nowMs = (): number => wallUs(nowUs()) / 1000
const say = (message: FromStore): void => port.postMessage(message)

/** Nothing here may be left half done without a word: the process learns of it and ends. */
function fault(error: unknown): void {
  say({ kind: 'fault', message: error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error) })
}

const store = await SpanStore.open({
  ...settings,
  onDamaged: (path, { message }) => say({ kind: 'damaged', path, message }),
})
names.restore(store.names.texts)
const metrics = new SpanMetrics(names)
const graph = new ServiceGraph(names)
const live = new LiveTraces(names, QUIET_MS)
let edges: Edge[] = []
const pairing = new Pairing({
  onEdge: (edge) => {
    edges.push(edge)
    graph.add(edge)
  },
})
const reader = new SpanReader(store, names)
const watch = new Watch(
  {
    names,
    servedBy: (peer) => pairing.servedBy(peer),
    epochMs: settings.epochMs,
    folder: settings.folder,
    onIncident: (incident, change) => say({ kind: 'incident', incident, change }),
    onExample: (words) => tail?.keep(words),
  },
  nowMs(),
)
const clickhouse = await openClickHouse()
const replicas = settings.replicas === undefined ? undefined : new ReplicaClient(settings.replicas)
const { sampling } = settings
const tail = sampling === undefined ? undefined : new Tail(sampling, watch)
const held = new HeldSegments(sampling?.waitMs ?? 0, sampling?.heldSegments ?? 0)
let sampledOut = 0
/** Segments below this number are committed. */
let committedBelow = store.storedBelow
/** Messages that change things are taken one after the other. */
let turn: Promise<void> = Promise.resolve()

function viewOf(segment: SharedSegment): SegmentView {
  const known = views.get(segment.memory.columns)
  if (known !== undefined) return known
  const view = new SegmentView(segment.memory)
  views.set(segment.memory.columns, view)
  return view
}

function learn({ first, texts }: NewNames): void {
  // What is known already came with an earlier message.
  names.restore(texts.slice(names.size - first))
}

/** Loaded only where a server is named. */
async function openClickHouse(): Promise<ClickHouseWriter | undefined> {
  if (settings.clickhouse === undefined) return undefined
  const { ClickHouseWriter } = await import('./clickhouse.ts')
  const retentionDays = Math.max(1, Math.ceil(settings.maxAgeMs / 86_400_000))
  return new ClickHouseWriter({
    ...{ ...settings.clickhouse, retentionDays, folderId: folderId(settings.folder) },
    onRefused: (refused) => say({ kind: 'refused', ...refused }),
  })
}

async function take(segment: SharedSegment): Promise<void> {
  await untilDone(() => store.names.append(names.from(store.names.texts.length + 2)))
  const view = viewOf(segment)
  const now = nowMs()
  edges = []
  pairing.add(view, segment.rows, now)
  metrics.add(view, segment.rows)
  live.add(view, segment.rows, now)
  watch.add(view, segment.rows, now)
  tail?.note(view, segment.rows)
  held.add({ segment, edges, sinceMs: now })
  await release()
}

/** Store what has waited long enough, or all of it. */
async function release(all = false): Promise<void> {
  for (let due = held.due(nowMs(), all); due !== undefined; due = held.due(nowMs(), all)) {
    const { segment } = due
    const view = viewOf(segment)
    if (tail === undefined) await writeUntilDone(view, segment, due.edges)
    else {
      const { trace } = view
      const { view: thin, extent, dropped } = tail.thin(view, segment, (row) => tail.countOf(trace, row * 4))
      await writeUntilDone(thin, extent, tail.edges(due.edges))
      sampledOut += dropped
    }
    held.done(nowMs())
    committedBelow = segment.sequence + 1
    const counters = { ...store.counters, sampledOut, decidedEarly: tail === undefined ? 0 : held.early }
    say({ kind: 'stored', sequence: segment.sequence, counters })
  }
}

function writeUntilDone(view: SegmentView, segment: SegmentExtent, hops: readonly Edge[]): Promise<void> {
  return untilDone(async () => {
    // First: what is in our own files counts as stored after a restart.
    await clickhouse?.write(view, segment)
    await store.store(view, segment, hops, nowMs())
  })
}

/** A full disk empties again, or files expire; until then nothing of the segment is lost, and intake refuses more. */
async function untilDone(write: () => Promise<void> | void): Promise<void> {
  for (let waitMs = 250; ; waitMs = Math.min(10_000, waitMs * 2)) {
    try {
      return await write()
    } catch (error) {
      fault(error)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      await store.expire(nowMs()).catch(fault)
    }
  }
}

/** What this replica has as it is now. */
function localSpans(segments: readonly SharedSegment[]): LocalSpans {
  // Those below are in the files, and their memory may be filled anew by now.
  const live = segments.filter(({ sequence }) => sequence >= committedBelow)
  const hot = live.map((segment) => ({ view: viewOf(segment), extent: segment }))
  return new LocalSpans(reader, { store, names, watch, window: { hot, committedBelow } })
}

async function api({ request, live, fleet }: Extract<ToStore, { kind: 'api' }>): Promise<ApiResponse> {
  const local = localSpans(live)
  if (fleet === undefined || replicas === undefined) return answerApi(request, { spans: local, names, pairing, watch })
  const spans = new FleetSpans(local, fleet, replicas)
  const answer = await answerApi(request, { spans, names, pairing, watch })
  return withMissing(answer, spans.missing, request.url)
}

async function replica({ question, live }: Extract<ToStore, { kind: 'ask' }>): Promise<ApiResponse> {
  try {
    const body = await answerOf(question, localSpans(live))
    return { status: 200, contentType: 'application/octet-stream', body }
  } catch (error) {
    if (!(error instanceof BadQuery)) throw error
    return { status: error.status, contentType: 'text/plain', body: error.message }
  }
}

function exposition(): ApiResponse {
  const body = `${metrics.text()}${graph.text(pairing.counters)}`
  return { status: 200, contentType: 'text/plain', body }
}

const answer = (id: number, response: ApiResponse): void => say({ kind: 'answer', id, response })

function failed(error: unknown): ApiResponse {
  const message = error instanceof Error ? error.message : String(error)
  return { status: 500, contentType: 'application/json', body: JSON.stringify({ error: message }) }
}

port.on('message', (message: ToStore) => {
  if (message.kind === 'close') {
    clearInterval(expiring)
    clearInterval(tailing)
    clearInterval(looking)
    clearInterval(releasing)
    clearInterval(saving)
    saveBaselines()
    turn = turn.then(async () => {
      await release(true).catch(fault)
      await store.close()
      await clickhouse?.close()
      replicas?.close()
      say({ kind: 'closed' })
      port.close()
    })
    return
  }
  learn(message.names)
  if (message.kind === 'store') turn = turn.then(() => take(message.segment)).catch(fault)
  else if (message.kind === 'metrics') answer(message.id, exposition())
  else
    (message.kind === 'ask' ? replica(message) : api(message)).then(
      (response) => answer(message.id, response),
      (error) => answer(message.id, failed(error)),
    )
})

const expiring = setInterval(() => {
  turn = turn.then(() => store.expire(nowMs())).catch(fault)
}, EXPIRE_EVERY_MS)
let releases = false
const releasing = setInterval(() => {
  // Nothing waits where all is stored; and one look at a time is enough.
  if (tail === undefined || releases) return
  releases = true
  turn = turn
    .then(() => release())
    .catch(fault)
    .finally(() => {
      releases = false
    })
}, RELEASE_EVERY_MS)
const tailing = setInterval(() => {
  const traces = live.takeQuiet(nowMs())
  if (traces.length > 0) say({ kind: 'traces', traces })
}, TAIL_EVERY_MS)

const looking = setInterval(() => {
  try {
    watch.tick(nowMs())
  } catch (error) {
    fault(error)
  }
}, LOOK_EVERY_MS)

function saveBaselines(): void {
  try {
    watch.save()
  } catch (error) {
    fault(error)
  }
}
const saving = setInterval(saveBaselines, SAVE_EVERY_MS)

say({ kind: 'ready', storedBelow: store.storedBelow, names: store.names.texts })
