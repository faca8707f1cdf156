/**
 * `--concurrency N`: one process that owns signals, admin and metrics, and N that take traffic from one listening
 * socket. A process that dies is replaced; its connections are lost, the others' are not.
 */
import cluster, { type Worker } from 'node:cluster'
import type { Server } from '../config/commands.ts'
import type { Started } from '../config/load.ts'
import { type LiveConfig, watchFile } from '../config/reload.ts'
import type { Config } from '../config/schema.ts'
import type { LogLevel } from '../core/log.ts'
import type { RecorderQuery } from '../telemetry/flight-recorder.ts'
import { createLog, type OperationalLog } from '../telemetry/log.ts'
import type { ScrapeResult, Snapshot } from '../telemetry/metrics.ts'
import { enableFips } from '../tls/fips.ts'
import { newTicketKeys, ROTATE_MS } from '../tls/ticket-keys.ts'
import { ClusterMetrics } from './cluster-metrics.ts'
import type { Answered, Listening, Question, Start, Starting } from './cluster-protocol.ts'
import { ending } from './ending.ts'
import { tellOfReload } from './reload-report.ts'
import { type Served, startServers } from './servers.ts'

/** A process that does not answer in time is left out of a scrape, not waited for. */
const ANSWER_MS = 2000
/** Between a death and the replacement, so that one that dies at start cannot spin. */
const RESTART_MS = 1000
/** Beyond the drain: spans are delivered and the process ends. */
const END_MARGIN_MS = 5000

const workers = (): Worker[] => Object.values(cluster.workers ?? {}) as Worker[]

/** The processes that take traffic, as one. */
class Group implements Served {
  readonly #pending = new Map<number, (answer: unknown) => void>()
  readonly #log: OperationalLog
  readonly #started: () => Started
  readonly #metrics = new ClusterMetrics()
  #nextId = 1
  /** A client may come to another process with its session the next time. */
  #ticketKeys = newTicketKeys()
  draining = false

  /** `started`: what a process is to run from now on. */
  constructor(log: OperationalLog, started: () => Started) {
    this.#log = log
    this.#started = started
  }

  /** Fork one; resolves when it listens, rejects where it ends before that. */
  fork(): Promise<Listening['listening']> {
    const worker = cluster.fork()
    let listens = false
    return new Promise((resolve, reject) => {
      worker.on('message', (message: Starting | Listening | Answered) => {
        if ('starting' in message) worker.send({ start: this.#started() } satisfies Start)
        if ('id' in message) this.#pending.get(message.id)?.(message.answer)
        if (!('listening' in message)) return
        listens = true
        // What it was started with may have changed since.
        const questions = [this.#keysQuestion, this.#configQuestion, this.#levelQuestion]
        const told = questions.map((question) => this.#askOne(worker, question))
        void Promise.all(told).then(() => resolve(message.listening))
      })
      worker.on('error', (error) => {
        this.#log.warn({ err: error, pid: worker.process.pid }, 'a process could not be reached')
        // Not even started, so there will be no exit.
        if (worker.process.pid === undefined) reject(error)
      })
      worker.once('exit', (code: number | null, signal: string | null) => {
        const { pid } = worker.process
        this.#metrics.gone(worker.id)
        if (!listens) return reject(new Error(`process ${pid} ended with ${code ?? signal} before it listened`))
        if (!this.draining) this.#log.error({ pid, code, signal }, 'a process ended and is replaced')
        this.#replace()
      })
    })
  }

  /** Again and again, until one listens. */
  #replace(): void {
    setTimeout(async () => {
      if (this.draining) return
      await this.fork().catch((error) => {
        this.#log.error({ err: error }, 'no replacement started')
        this.#replace()
      })
    }, RESTART_MS)
  }

  get #keysQuestion(): Question {
    return { ask: 'ticket-keys', keys: this.#ticketKeys.toString('base64') }
  }

  get #configQuestion(): Question {
    return { ask: 'take-config', now: this.#started().loaded }
  }

  /** Have all run what the first process runs. */
  async tellConfig(): Promise<void> {
    await this.ask(this.#configQuestion)
  }

  get #levelQuestion(): Question {
    return { ask: 'log-level', level: this.#log.level }
  }

  /** Sessions from before are not resumed any more. */
  rotateTicketKeys(): void {
    this.#ticketKeys = newTicketKeys()
    void this.ask(this.#keysQuestion)
  }

  async ask(question: Question): Promise<unknown[]> {
    const answers = workers().map((worker) => this.#askOne(worker, question))
    return (await Promise.all(answers)).filter((answer) => answer !== undefined)
  }

  #askOne(worker: Worker, question: Question): Promise<unknown> {
    const id = this.#nextId++
    const unanswered = (): void => this.#pending.get(id)?.(undefined)
    return new Promise((resolve) => {
      const timer = setTimeout(unanswered, ANSWER_MS)
      this.#pending.set(id, (answer) => {
        clearTimeout(timer)
        this.#pending.delete(id)
        resolve(answer)
      })
      // It may have died without our knowing yet.
      if (worker.isConnected()) worker.send({ id, question }, (error) => error !== null && unanswered())
      else unanswered()
    })
  }

  get logLevel(): LogLevel {
    return this.#log.level
  }

  set logLevel(level: LogLevel) {
    this.#log.level = level
    void this.ask(this.#levelQuestion)
  }

  async scrape(): Promise<ScrapeResult> {
    await Promise.all(
      workers().map(async (worker) => {
        const snapshot = (await this.#askOne(worker, { ask: 'snapshot' })) as Snapshot | undefined
        if (snapshot !== undefined && !worker.isDead()) this.#metrics.keep(worker.id, snapshot)
      }),
    )
    return this.#metrics.scrape()
  }

  async exchanges(query: RecorderQuery): Promise<unknown> {
    const parts = (await this.ask({ ask: 'exchanges', query })) as { startUs: number }[][]
    const newestFirst = parts.flat().sort((a, b) => b.startUs - a.startUs)
    return newestFirst.slice(0, query.limit ?? newestFirst.length)
  }

  async idempotency(): Promise<unknown> {
    return { processes: await this.ask({ ask: 'idempotency' }) }
  }

  /** Each process has a share of new traces of its own. */
  async sampling(): Promise<unknown> {
    return { processes: await this.ask({ ask: 'sampling' }) }
  }

  /** Pass the signal on; resolves when all have ended, by force where one outlives `deadlineMs`. */
  async end(deadlineMs: number): Promise<void> {
    this.draining = true
    const living = workers().filter((worker) => !worker.isDead())
    const exits = living.map((worker) => new Promise((resolve) => worker.once('exit', resolve)))
    for (const worker of living) worker.process.kill('SIGTERM')
    const force = setTimeout(() => {
      for (const worker of living) worker.process.kill('SIGKILL')
    }, deadlineMs)
    await Promise.all(exits)
    clearTimeout(force)
  }
}

/** The first process. */
export async function runCluster(command: Server, config: Config, live: LiveConfig): Promise<void> {
  if (config.tls.fips) enableFips()
  const log = createLog({ level: config.log.level })
  const group = new Group(log, () => ({ command, ...live.started }))
  try {
    await serveTogether(group, config, live, log)
  } catch (error) {
    // They would keep this process, and serve on without it.
    await group.end(0)
    throw error
  }
}

async function serveTogether(group: Group, config: Config, live: LiveConfig, log: OperationalLog): Promise<void> {
  setInterval(() => group.rotateTicketKeys(), ROTATE_MS).unref()
  // Each process accepts for itself: handed out by the first one, a connection given to a process that has just died
  // would hang for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // Values in effect are a Map.
  cluster.setupPrimary({ serialization: 'advanced' })
  const [listening] = await Promise.all(Array.from({ length: config.concurrency }, () => group.fork()))
  const end = ending((why) => {
    log.info({ why }, 'draining')
    group
      .end(live.current.timeouts.drainMs + END_MARGIN_MS)
      .finally(() => log.flush())
      .finally(() => process.exit(0))
  })
  const servers = await startServers({
    served: group,
    config,
    describeConfig: () => live.describe(),
    onQuit: () => end.begin('quit'),
    onDrain: () => {
      group.draining = true
      void group.ask({ ask: 'drain' })
    },
  })
  process.on('SIGTERM', end.signal)
  process.on('SIGINT', end.signal)
  live.onChange((now, changed) => {
    if (changed.includes('log.level')) log.level = now.log.level
  })
  // One reading for all: by the next one the file could say something else.
  const reload = async (): Promise<void> => {
    const outcome = await live.reload()
    if (outcome.changed.length > 0) await group.tellConfig()
    tellOfReload(log, outcome)
  }
  if (live.file !== undefined) watchFile(live.file, reload)
  process.on('SIGHUP', reload)
  log.info(
    { ...listening, processes: config.concurrency, ...servers.addresses, startMs: Math.round(performance.now()) },
    'listening',
  )
}
