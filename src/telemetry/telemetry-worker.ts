/** The telemetry thread: reads the ring, encodes spans, formats the access log, delivers. */
import { lookup } from 'node:dns/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { slotOfBytes, slotOfTrace } from '../core/rendezvous.ts'
import { giveWay } from '../native/give-way.ts'
import { AccessLog } from './access-log.ts'
import { readCall } from './call-record.ts'
import { readFacts } from './connection-facts.ts'
import { SharedCounters } from './counters.ts'
import { jsonFlags, readJson } from './json-record.ts'
import { SpanEncoder } from './otlp-encode.ts'
import { OtlpSpread } from './otlp-spread.ts'
import * as L from './record-layout.ts'
import { viewExchange } from './record-view.ts'
import { detailRedaction } from './recorder/details.ts'
import { RECORDER_DEFAULTS } from './recorder/options.ts'
import { type Encode, Recording } from './recorder/recording.ts'
import { Redactor } from './redact.ts'
import { openRing, RingReader } from './ring.ts'
import { threadCpuClock } from './thread-cpu.ts'
import { readTunnel } from './tunnel-record.ts'
import { takeTurn } from './turns.ts'
import type { FromWorker, ToWorker, WorkerOptions } from './worker-protocol.ts'

/** Step of the system clock (microseconds) from which on spans follow it. */
const CLOCK_STEP_US = 20_000

if (parentPort === null) throw new Error('telemetry-worker.js is a worker thread')
const port = parentPort
const options = workerData as WorkerOptions
const send = (message: FromWorker): void => port.postMessage(message)

const warned = new Set<string>()
const counters = new SharedCounters(options.counters)
const memory = openRing(options.ring)
const reader = new RingReader(memory)
const redactor = new Redactor(options.redactQuery)
const encoder = new SpanEncoder(memory, redactor, options.originUs)
const facts = new Map<number, L.ConnectionFactsRecord>()
let accessLog: AccessLog | undefined

const { otlp } = options
const spread =
  otlp === undefined
    ? undefined
    : new OtlpSpread({
        timeoutMs: otlp.timeoutMs ?? 10_000,
        queueBytes: otlp.queueBytes ?? 16 * 1024 * 1024,
        maxInflight: otlp.maxInflight ?? 4,
        maxAgeMs: otlp.maxAgeMs ?? 120_000,
        batchSpans: otlp.batchSpans ?? 1024,
        resource: options.resource,
        counters,
        endpoints: otlp.endpoints,
        lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
        onRelease,
        target: {
          endpoint: otlp.endpoint,
          caPem: otlp.caPem,
          certPem: otlp.certPem,
          keyPem: otlp.keyPem,
          headers: otlp.headers ?? {},
          compression: otlp.compression ?? 'none',
          version: options.version,
        },
        warn: (message, fields) => send({ type: 'warn', message, fields }),
      })

function onRelease(): void {
  if (waiting && !draining) {
    draining = true
    setImmediate(drain)
  }
}

/** The slot of a record's trace. */
function slotOf(at: number, kind: number): number {
  if (kind === L.EXCHANGE) return slotOfBytes(memory.bytes, (at + L.W_STRINGS) * 8)
  return slotOfTrace((readJson(memory, at) as { readonly traceId: string }).traceId)
}

/** Spans that a record stands for, known without encoding it: attempts are the only ones that add. */
function spansOf(at: number, kind: number): number {
  if (kind !== L.EXCHANGE || memory.int32[at * 2 + L.H_TAIL] === 0) return 1
  return 1 + (viewExchange(memory, at, undefined, redactor, 0).tail?.attempts?.length ?? 0)
}

function exportRecord(at: number, kind: number, extra: Uint8Array | undefined): void {
  if (spread === undefined) return
  const slot = spread.several ? slotOf(at, kind) : 0
  const lane = spread.lane(slot)
  const { builder } = lane
  if (spread.isFull(builder.holding)) {
    const spans = spansOf(at, kind)
    counters.add('taken', spans)
    counters.add('queue_full', spans)
    return
  }
  const { buffer, position } = builder
  try {
    encoder.extra = extra
    const spans =
      kind === L.EXCHANGE ? encoder.exchange(at, buffer, position) : encoder.plain(at, kind, buffer, position)
    counters.add('taken', spans)
    counters.add('queued', spans)
    if (builder.added(spans, encoder.end, slot)) lane.flush()
  } catch (error) {
    const spans = spansOf(at, kind)
    counters.add('taken', spans)
    counters.add('encode_error', spans)
    warnOnce('a span could not be encoded', error)
  }
}

/** Spans of the flight recorder: more than the data thread counted. */
function exportLate(traceId: string, encode: Encode): void {
  if (spread === undefined) return
  const slot = spread.several ? slotOfTrace(traceId) : 0
  const lane = spread.lane(slot)
  const { builder } = lane
  // Nobody waits for them: where there is no room they are not even begun.
  if (spread.isFull(builder.holding)) {
    counters.add('recorderSpared', 1)
    return
  }
  try {
    const { spans, end } = encode(builder.buffer, builder.position)
    for (const name of ['late', 'taken', 'queued'] as const) counters.add(name, spans)
    if (builder.added(spans, end, slot)) lane.flush()
  } catch (error) {
    counters.add('recorderFaults', 1)
    warnOnce('a recorded span could not be encoded', error)
  }
}

const recorder = options.recorder ?? RECORDER_DEFAULTS
const recording = new Recording({
  ...{ recorder, memory, reader, counters, resource: options.resource },
  redaction: detailRedaction(recorder, options.redactQuery),
  originUs: () => encoder.originUs,
  factsOf,
  exporting:
    spread === undefined
      ? undefined
      : { add: exportLate, openStream: (path, handlers) => spread.openStream(path, handlers) },
  warn: (message, error) => warnOnce(message, error),
})

function factsOf(connection: number): L.ConnectionFactsRecord | undefined {
  const known = facts.get(connection & (L.FACT_SLOTS - 1))
  return known?.connection === connection ? known : undefined
}

function logRecord(at: number, kind: number): void {
  try {
    accessLog ??= new AccessLog(options.accessLogFd, counters)
    if (kind === L.TUNNEL) {
      accessLog.tunnel(readTunnel(memory, at), encoder.originUs)
      return
    }
    if (kind === L.CALL) {
      accessLog.call(readCall(memory, at), encoder.originUs)
      return
    }
    const connection = memory.int32[at * 2 + L.H_CONNECTION]!
    accessLog.exchange(viewExchange(memory, at, factsOf(connection), redactor, encoder.originUs))
  } catch (error) {
    // A line that cannot be written must not cost the spans behind it.
    counters.add('logDropped', 1)
    warnOnce('an access log line could not be written', error)
  }
}

function warnOnce(message: string, error: unknown): void {
  if (warned.has(message)) return
  warned.add(message)
  send({ type: 'warn', message, fields: { reason: String(error) } })
}

function onRecord(at: number, words: number, kind: number): void {
  if (kind === L.FACTS) {
    const read = readFacts(memory.int32, memory.bytes, at)
    facts.set(read.connection & (L.FACT_SLOTS - 1), read)
    encoder.facts(read)
    return
  }
  recording.copy(at, words, kind)
  const flags = kind !== L.EXCHANGE ? jsonFlags(memory, at) : memory.int32[at * 2 + L.H_FLAGS]!
  const extra = kind === L.EXCHANGE ? recording.seen(at, words) : undefined
  if ((flags & L.F_EXPORT) !== 0) exportRecord(at, kind, extra)
  if ((flags & L.F_LOG) !== 0) logRecord(at, kind)
}

/** The data thread's clock never steps; follow the system's when that was set. */
const driftAtStart = Date.now() - (performance.timeOrigin + performance.now())
function followClock(): void {
  const driftUs = (Date.now() - (performance.timeOrigin + performance.now()) - driftAtStart) * 1000
  const originUs = options.originUs + (Math.abs(driftUs) > CLOCK_STEP_US ? driftUs : 0)
  if (Math.abs(originUs - encoder.originUs) > CLOCK_STEP_US) encoder.originUs = originUs
}

/** Where both threads share a core, the data thread is not to wait for the end of a burst: a pause after each turn. */
const PAUSE_MS = 4
let draining = false
/** What is encoded is to leave once all has been read. */
let flushing = false

/** While a collector that works catches up, records may wait in the ring as long as there is room for more. */
const MAX_WAITING = 0.6
let waiting = false

function drain(): void {
  waiting = spread?.isFull(spread.lane(0).builder.holding) === true && spread.working && reader.fill < MAX_WAITING
  const end = waiting ? 'empty' : takeTurn(reader, onRecord, giveWay)
  draining = end !== 'empty'
  if (end === 'pause') setTimeout(drain, PAUSE_MS)
  if (end === 'hurry') setImmediate(drain)
  if (draining) return
  if (!waiting) accessLog?.flush()
  if (!flushing) return
  flushing = false
  spread?.flush()
}

const timer = setInterval(() => {
  followClock()
  flushing = true
  if (!draining) drain()
  if (spread?.several === true) send({ type: 'receivers', receivers: spread.counts })
}, options.scheduleMs)

/** Records that are to be in a file do not wait for the ring to fill. */
const URGENT_MS = 50
const hurrying = recording.isUrgent
  ? setInterval(() => {
      if (!draining) drain()
    }, URGENT_MS)
  : undefined

/** For the governor, which sees to it that it stays small. */
const CPU_EVERY_MS = 250
const cpuUs = threadCpuClock()
const measuring = setInterval(() => counters.set('cpuUs', cpuUs()), CPU_EVERY_MS)

async function close(deadlineMs: number): Promise<void> {
  clearInterval(timer)
  clearInterval(measuring)
  clearInterval(hurrying)
  reader.drain(onRecord)
  spread?.flush()
  await Promise.all([spread?.close(deadlineMs), accessLog?.close(deadlineMs), recording.close()])
  send({ type: 'closed' })
  port.close()
}

port.on('message', (message: ToWorker) => {
  if (message.type === 'close') void close(message.deadlineMs)
  else if (!draining) drain()
})
