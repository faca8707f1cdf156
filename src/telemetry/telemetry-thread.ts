/** The life of the telemetry thread, from the data thread's side: started when needed, woken, replaced, closed. */
import { Worker } from 'node:worker_threads'
import type { Logger } from '../core/log.ts'
import type { SharedCounters } from './counters.ts'
import type { LaneCounts } from './otlp-lane.ts'
import type { RingWriter } from './ring.ts'
import type { FromWorker, ToWorker, WorkerOptions } from './worker-protocol.ts'

/** A thread that died is replaced after this long, doubled each time up to a minute. */
const RESTART_FIRST_MS = 1000
const RESTART_MAX_MS = 60_000
/** What a close may take beyond its deadline before the thread is ended by force. */
const CLOSE_GRACE_MS = 500
/**
 * Heap of the thread; batches and queue live outside it and have their own bounds. The young generation is small: exports
 * leave large buffers that are free only once it is collected, and until then drive the old one to collections, which
 * cost ten times as much.
 */
const LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 2 }

export interface ThreadOptions {
  readonly worker: WorkerOptions
  readonly counters: SharedCounters
  readonly ring: RingWriter
  readonly logger: Logger
  /** What is written from now on goes to a new thread, which knows nothing of what was written before. */
  readonly onRestart: () => void
}

export class TelemetryThread {
  /** Where there are several, as the thread last told; counted from its start. */
  receivers: readonly LaneCounts[] = []
  readonly #options: ThreadOptions
  #worker: Worker | undefined = undefined
  #started = false
  #closing: Promise<void> | undefined = undefined
  #closed: (() => void) | undefined = undefined
  #restartMs = RESTART_FIRST_MS

  constructor(options: ThreadOptions) {
    this.#options = options
  }

  /** Start it, once; records written from now on are read. */
  start(): void {
    if (this.#started || this.#closing !== undefined) return
    this.#started = true
    this.#options.ring.attach()
    this.#options.onRestart()
    this.#launch()
  }

  wake(): void {
    this.#send({ type: 'wake' })
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }

  #launch(): void {
    // Beside this file in every build; `.js`, since only import statements are rewritten.
    const worker = new Worker(new URL('./telemetry-worker.js', import.meta.url), {
      workerData: this.#options.worker,
      resourceLimits: LIMITS,
      name: 'hopscope-telemetry',
    })
    this.#worker = worker
    worker.unref()
    const { logger } = this.#options
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'receivers') this.receivers = message.receivers
      else if (message.type === 'warn') logger.warn({ ...message.fields, component: 'telemetry' }, message.message)
      else this.#closed?.()
    })
    worker.on('error', (error) => logger.error({ err: error, component: 'telemetry' }, 'the telemetry thread failed'))
    worker.on('exit', () => this.#onExit())
  }

  #onExit(): void {
    this.#worker = undefined
    // What is written from now on is read by the next one.
    this.#options.onRestart()
    const { counters } = this.#options
    counters.add('worker_exit', counters.get('queued'))
    for (const name of ['queued', 'queuedBytes', 'inflight'] as const) counters.set(name, 0)
    if (this.#closing !== undefined) {
      this.#closed?.()
      return
    }
    const waitMs = this.#restartMs
    this.#restartMs = Math.min(waitMs * 2, RESTART_MAX_MS)
    setTimeout(() => {
      if (this.#closing === undefined) this.#launch()
    }, waitMs).unref()
  }

  /** Deliver what there is for at most `deadlineMs`, then end the thread. Never fails. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    const worker = this.#worker
    if (worker !== undefined) {
      worker.ref()
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs + CLOSE_GRACE_MS)
        this.#closed = () => {
          clearTimeout(timer)
          resolve()
        }
        this.#send({ type: 'close', deadlineMs })
      })
      await worker.terminate()
    }
    // Whatever it did not get to.
    const { counters, ring } = this.#options
    const left = counters.get('recorded') + counters.get('late') - counters.get('ring_full') - counters.get('taken')
    counters.add('shutdown', left)
    counters.add('taken', left)
    ring.detach()
  }
}
