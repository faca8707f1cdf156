/**
 * Counts that the telemetry thread keeps and the data thread reads: numbers in shared memory, each written by one
 * thread only. A span is `exported` when the collector acknowledged it, never before. At rest
 * `recorded = exported + all drops + queued + in the ring`.
 */

/** Why a span was not delivered. `ring_full` is counted by the data thread, the others by the telemetry thread. */
export const DROP_REASONS = [
  'ring_full',
  'queue_full',
  'rejected',
  'non_retryable',
  'too_old',
  'shutdown',
  'encode_error',
  'worker_exit',
] as const
export type DropReason = (typeof DROP_REASONS)[number]

const NAMES = [
  'recorded',
  'taken',
  'exported',
  'queued',
  'queuedBytes',
  'inflight',
  'exports',
  'exportFailures',
  'exportSeconds',
  'retries',
  'channels',
  'warnings',
  'logged',
  'logDropped',
  'logRingFull',
  'cpuUs',
  'late',
  'recorderTraces',
  'recorderAsked',
  'recorderWanted',
  'recorderSpared',
  'recorderDumps',
  'recorderFaults',
] as const
type Name = (typeof NAMES)[number]

const indexOf = new Map<string, number>([...NAMES, ...DROP_REASONS].map((name, index) => [name, index]))

export class SharedCounters {
  readonly shared: SharedArrayBuffer
  readonly #cells: Float64Array

  constructor(shared?: SharedArrayBuffer) {
    this.shared = shared ?? new SharedArrayBuffer(indexOf.size * 8)
    this.#cells = new Float64Array(this.shared)
  }

  add(name: Name | DropReason, by: number): void {
    this.#cells[indexOf.get(name)!]! += by
  }

  set(name: Name | DropReason, value: number): void {
    this.#cells[indexOf.get(name)!] = value
  }

  get(name: Name | DropReason): number {
    return this.#cells[indexOf.get(name)!]!
  }
}

/** A reading of the exporter's counts. Spans, unless a unit is named. */
export interface ExporterCounts {
  /** Spans of finished exchanges and tunnels that were to be exported, dropped ones included. */
  readonly recorded: number
  /** Acknowledged by the collector. */
  readonly exported: number
  /** Encoded or in flight, not acknowledged yet. */
  readonly queued: number
  readonly queuedBytes: number
  /** Written by the data thread and not yet seen by the telemetry thread. */
  readonly inRing: number
  readonly inflightExports: number
  readonly dropped: Readonly<Record<DropReason, number>>
  readonly exports: number
  readonly exportFailures: number
  readonly exportSeconds: number
  readonly retries: number
  /** Channels opened; over 1 means that a dead one was replaced. */
  readonly channels: number
  /** Messages of the collector that came with a success. */
  readonly warnings: number
  readonly logged: number
  readonly logDropped: number
  readonly recorder: RecorderCounts
  /** CPU of the telemetry thread since it was started, microseconds. */
  readonly cpuUs: number
}

/** What the flight recorder wrote out. */
export interface RecorderCounts {
  /** Of traces that were not sampled; counted by the telemetry thread, in `recorded` too. */
  readonly spans: number
  /** Traces that something happened in here. */
  readonly traces: number
  /** Traces that other proxies were asked about. */
  readonly asked: number
  /** Traces that others asked about. */
  readonly wanted: number
  /** Traces of both kinds that were left alone, being too many. */
  readonly spared: number
  /** Files written. */
  readonly dumps: number
  /** Records that could not be read, and files that could not be written. */
  readonly faults: number
}

export function readCounts(counters: SharedCounters): ExporterCounts {
  const dropped = Object.fromEntries(DROP_REASONS.map((reason) => [reason, counters.get(reason)]))
  return {
    recorded: counters.get('recorded') + counters.get('late'),
    exported: counters.get('exported'),
    queued: counters.get('queued'),
    queuedBytes: counters.get('queuedBytes'),
    inRing: counters.get('recorded') + counters.get('late') - counters.get('ring_full') - counters.get('taken'),
    inflightExports: counters.get('inflight'),
    dropped: dropped as Record<DropReason, number>,
    exports: counters.get('exports'),
    exportFailures: counters.get('exportFailures'),
    exportSeconds: counters.get('exportSeconds'),
    retries: counters.get('retries'),
    channels: counters.get('channels'),
    warnings: counters.get('warnings'),
    logged: counters.get('logged'),
    logDropped: counters.get('logDropped') + counters.get('logRingFull'),
    recorder: {
      spans: counters.get('late'),
      traces: counters.get('recorderTraces'),
      asked: counters.get('recorderAsked'),
      wanted: counters.get('recorderWanted'),
      spared: counters.get('recorderSpared'),
      dumps: counters.get('recorderDumps'),
      faults: counters.get('recorderFaults'),
    },
    cpuUs: counters.get('cpuUs'),
  }
}
