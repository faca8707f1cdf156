/**
 * The way to the other proxies of a trace, over the aggregator (`core/recorder-protocol`). A collector that is not ours
 * answers UNIMPLEMENTED and is left alone; nothing here waits for anything, and what cannot be sent soon is dropped.
 */
import { MAX_TRACES, readTraces, WATCH_PATH, writeTraces } from '../../core/recorder-protocol.ts'

const FIRST_WAIT_MS = 1000
const MAX_WAIT_MS = 60_000
/** A collector that does not know the service may be replaced by one that does. */
const UNKNOWN_WAIT_MS = 600_000
/** A call that lasted so long was well. */
const WELL_MS = 10_000
/** Traces that failed within it are sent in one message. */
const GATHER_MS = 20
/** Asks that wait for a call. */
const MAX_HELD = 64
const JITTER = 0.3

const OK = 0
/** INVALID_ARGUMENT, PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED: it will not be otherwise in a moment. */
const HOPELESS: ReadonlySet<number> = new Set([3, 7, 12, 16])

/** A call in which both sides stream. */
export interface OpenStream {
  /** False: the other side does not read; wait for `onDrain`. */
  send(message: Buffer): boolean
  cancel(): void
}

export interface StreamHandlers {
  readonly onMessage: (message: Buffer) => void
  readonly onDrain: () => void
  /** Once; `code` is the gRPC status. */
  readonly onEnd: (code: number) => void
}

export interface LinkOptions {
  readonly open: (path: string, handlers: StreamHandlers) => OpenStream
  readonly onWanted: (traceIds: readonly string[]) => void
}

export class RecorderLink {
  readonly #options: LinkOptions
  #stream: OpenStream | undefined
  #openedMs = 0
  #waitMs = FIRST_WAIT_MS
  #retry: NodeJS.Timeout | undefined
  #gather: NodeJS.Timeout | undefined
  #held: string[] = []
  #blocked = false
  #begun = false
  #hopeless = false
  #closed = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** There is something that others may ask for. */
  begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#open()
  }

  /** Ask the others. False: dropped. */
  ask(traceId: string): boolean {
    if (this.#hopeless || this.#closed || this.#held.length >= MAX_HELD) return false
    this.#held.push(traceId)
    this.#gather ??= setTimeout(() => {
      this.#gather = undefined
      this.#flush()
    }, GATHER_MS)
    return true
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#gather)
    this.#stream?.cancel()
    this.#stream = undefined
  }

  #open(): void {
    this.#retry = undefined
    this.#openedMs = performance.now()
    this.#blocked = false
    this.#stream = this.#options.open(WATCH_PATH, {
      onMessage: (message) => this.#message(message),
      onDrain: () => {
        this.#blocked = false
        this.#flush()
      },
      onEnd: (code) => this.#ended(code),
    })
    this.#flush()
  }

  #flush(): void {
    if (this.#stream === undefined || this.#blocked || this.#held.length === 0) return
    this.#blocked = !this.#stream.send(writeTraces(this.#held.splice(0, MAX_TRACES)))
  }

  #message(message: Buffer): void {
    this.#hopeless = false
    const traceIds = readTraces(message)
    if (traceIds === undefined) this.#stream?.cancel()
    else this.#options.onWanted(traceIds)
  }

  #ended(code: number): void {
    this.#stream = undefined
    if (this.#closed) return
    this.#hopeless = HOPELESS.has(code)
    if (this.#hopeless) this.#held = []
    const well = performance.now() - this.#openedMs > WELL_MS
    if (well) this.#waitMs = FIRST_WAIT_MS
    const waitMs = this.#hopeless ? UNKNOWN_WAIT_MS : code === OK && well ? GATHER_MS : this.#waitMs
    if (!well && !this.#hopeless) this.#waitMs = Math.min(MAX_WAIT_MS, this.#waitMs * 2)
    this.#retry = setTimeout(() => this.#open(), waitMs * (1 + JITTER * Math.random()))
    this.#retry.unref()
  }
}
