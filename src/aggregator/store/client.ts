/** The store thread from outside. */
import { Worker } from 'node:worker_threads'
import type { Incident } from '../diagnosis/incidents.ts'
import type { HotSegment } from '../intake/hot-segment.ts'
import type { Names } from '../intake/names.ts'
import type { Fleet } from '../replicas/fleet-spans.ts'
import type { RefusedSpans } from './clickhouse.ts'
import type {
  ApiRequest,
  ApiResponse,
  FromStore,
  IncidentChange,
  LiveTrace,
  NewNames,
  SharedSegment,
  StoreCounters,
  StoreSettings,
  ToStore,
} from './protocol.ts'

export interface StoreClientOptions {
  readonly settings: StoreSettings
  readonly onStored: (sequence: number) => void
  readonly onTraces: (traces: readonly LiveTrace[]) => void
  readonly onIncident: (incident: Incident, change: IncidentChange) => void
  /** A segment could not be stored; it is tried again. */
  readonly onFault: (message: string) => void
  /** A file, or a part of it, cannot be read any more. */
  readonly onDamaged: (path: string, message: string) => void
  /** ClickHouse refuses spans for this reason: the first time, more are only counted. */
  readonly onRefused: (refused: RefusedSpans) => void
  /** The thread ended by itself: nothing can be stored or asked any more. */
  readonly onEnd: (error: Error) => void
}

/** Queries under way; more are answered 503. */
const MAX_QUERIES = 64

const NO_COUNTERS: StoreCounters = { files: 0, bytes: 0, rows: 0, expiredFiles: 0, sampledOut: 0, decidedEarly: 0 }
const BUSY: ApiResponse = { status: 503, contentType: 'application/json', body: '{"error":"too many queries at once"}' }

export class StoreClient {
  readonly #worker: Worker
  readonly #options: StoreClientOptions
  readonly #asked = new Map<number, (response: ApiResponse) => void>()
  #names: Names | undefined
  #told = 0
  #nextId = 1
  #closed: (() => void) | undefined
  counters: StoreCounters = NO_COUNTERS
  /** Spans that ClickHouse refused for good, by reason. */
  readonly refused = new Map<string, number>()
  storedBelow = 0
  /** Names of earlier runs. */
  texts: readonly string[] = []

  private constructor(options: StoreClientOptions) {
    this.#options = options
    this.#worker = new Worker(new URL('./store-worker.js', import.meta.url), {
      workerData: options.settings,
      // Its garbage is small and short-lived; the default would keep three times as much of it.
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    })
  }

  /** Rejects where the data folder cannot be used. */
  static async start(options: StoreClientOptions): Promise<StoreClient> {
    const client = new StoreClient(options)
    await new Promise<void>((resolve, reject) => {
      client.#worker.once('error', reject)
      client.#worker.on('message', (message: FromStore) => {
        if (message.kind === 'ready') {
          client.storedBelow = message.storedBelow
          client.texts = message.names
          client.#worker.off('error', reject)
          resolve()
        } else client.#heard(message)
      })
    })
    client.#worker.on('error', (error) => options.onEnd(error))
    client.#worker.on('exit', (code) => {
      if (client.#closed === undefined) options.onEnd(new Error(`the store thread ended with ${code}`))
    })
    return client
  }

  /** Names that spans are numbered by; they hold those of earlier runs already. */
  useNames(names: Names): void {
    this.#names = names
    this.#told = names.size
  }

  store(segment: HotSegment): void {
    this.#say({ kind: 'store', segment: shared(segment), names: this.#newNames() })
  }

  /** Ask the query API. `live`: segments that are not stored; `fleet`: other replicas that are asked as well. */
  api(request: ApiRequest, live: readonly HotSegment[], fleet?: Fleet): Promise<ApiResponse> {
    if (this.#asked.size >= MAX_QUERIES) return Promise.resolve(BUSY)
    const names = this.#newNames()
    return this.#ask((id) => ({ kind: 'api', id, request, live: live.map(shared), names, fleet }))
  }

  /** The question of another replica, answered from this one alone. */
  replica(question: string, live: readonly HotSegment[]): Promise<ApiResponse> {
    if (this.#asked.size >= MAX_QUERIES) return Promise.resolve(BUSY)
    const names = this.#newNames()
    return this.#ask((id) => ({ kind: 'ask', id, question, live: live.map(shared), names }))
  }

  /** Span metrics and service graph as text. */
  async metrics(): Promise<string> {
    const { body } = await this.#ask((id) => ({ kind: 'metrics', id, names: this.#newNames() }))
    return body as string
  }

  /** Resolves when all that was given is stored and the files are closed. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve
      this.#say({ kind: 'close' })
    })
  }

  /** End it as it is. */
  async terminate(): Promise<void> {
    this.#closed = () => {}
    await this.#worker.terminate()
  }

  #ask(message: (id: number) => ToStore): Promise<ApiResponse> {
    const id = this.#nextId++
    return new Promise((resolve) => {
      this.#asked.set(id, resolve)
      this.#say(message(id))
    })
  }

  #say(message: ToStore): void {
    this.#worker.postMessage(message)
  }

  #newNames(): NewNames {
    const first = this.#told
    const texts = this.#names?.from(first) ?? []
    this.#told += texts.length
    return { first, texts }
  }

  #heard(message: Exclude<FromStore, { kind: 'ready' }>): void {
    switch (message.kind) {
      case 'stored':
        this.counters = message.counters
        this.#options.onStored(message.sequence)
        break
      case 'answer':
        this.#asked.get(message.id)?.(message.response)
        this.#asked.delete(message.id)
        break
      case 'traces':
        this.#options.onTraces(message.traces)
        break
      case 'incident':
        this.#options.onIncident(message.incident, message.change)
        break
      case 'fault':
        this.#options.onFault(message.message)
        break
      case 'damaged':
        this.#options.onDamaged(message.path, message.message)
        break
      case 'refused':
        this.#refused(message)
        break
      case 'closed':
        this.#closed?.()
        break
    }
  }

  #refused(refused: RefusedSpans): void {
    const before = this.refused.get(refused.reason)
    this.refused.set(refused.reason, (before ?? 0) + refused.spans)
    if (before === undefined) this.#options.onRefused(refused)
  }
}

const shared = (segment: HotSegment): SharedSegment => ({ memory: segment.view.memory, ...segment.extent() })
