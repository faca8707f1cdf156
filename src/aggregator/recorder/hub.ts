/**
 * Passes on which traces are wanted: a proxy tells of one that failed there, and all others are asked for their part of it
 * (`core/recorder-protocol`). What they have comes as ordinary spans. Bounded in calls, traces a second and bytes that
 * wait for a slow reader; what is too much is dropped and counted, for it is only ever a hint.
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import { MAX_MESSAGE_BYTES, MAX_TRACES, RateLimit, readTraces, writeTraces } from '../../core/recorder-protocol.ts'
import { type Failure, failureTrailers, INVALID_ARGUMENT, RESOURCE_EXHAUSTED } from '../receive/grpc-status.ts'
import { Frames, framed } from './frames.ts'

/** A trace is passed on once within it. */
const KNOWN_MS = 30_000
const MAX_KNOWN = 16_384
/** One who comes within it after a trace was asked for is asked as well: it may have been away for a moment. */
const RECENT_MS = 5000
/** Traces a second, of one proxy and of all. */
const OF_ONE = 50
const OF_ALL = 200
/** Traces that come within it go out in one message; the more readers, the rarer. */
const GATHER_MS = 20
const GATHER_MS_A_READER = 0.2
/** How long one that was refused may still send. */
const CUT_OFF_MS = 5000
/** Bytes that wait for one that does not read. */
const MAX_UNREAD_BYTES = 65_536

export interface HubCounts {
  readonly watchers: number
  /** Traces passed on. */
  wanted: number
  /** Traces that were too many. */
  spared: number
}

export interface HubOptions {
  readonly maxWatchers?: number
  /** Traces that proxies of ours told of, for the other replicas. */
  readonly onWanted?: (traceIds: readonly string[]) => void
}

export class RecorderHub {
  readonly #options: HubOptions
  readonly #watchers = new Set<ServerHttp2Stream>()
  /** When each trace was told of, in that order. */
  readonly #known = new Map<string, number>()
  readonly #all = new RateLimit(OF_ALL, performance.now())
  #waiting: string[] = []
  #timer: NodeJS.Timeout | undefined
  #wanted = 0
  #spared = 0

  constructor(options: HubOptions = {}) {
    this.#options = options
  }

  get counts(): HubCounts {
    return { watchers: this.#watchers.size, wanted: this.#wanted, spared: this.#spared }
  }

  /** A proxy calls. `stream` is one that was let in and not answered yet. */
  open(stream: ServerHttp2Stream): void {
    if (this.#watchers.size >= (this.#options.maxWatchers ?? 4096)) {
      refuse(stream, { code: RESOURCE_EXHAUSTED, message: 'too many watch', retryMs: 60_000 })
      return
    }
    const limit = new RateLimit(OF_ONE, performance.now())
    const frames = new Frames(MAX_MESSAGE_BYTES, (message) => {
      const traceIds = readTraces(message)
      if (traceIds === undefined) end(stream, INVALID_ARGUMENT)
      else this.#told(traceIds, limit)
    })
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('data', (chunk: Buffer) => {
      if (!frames.take(chunk)) end(stream, INVALID_ARGUMENT)
    })
    stream.once('end', () => stream.end())
    stream.once('close', () => this.#watchers.delete(stream))
    this.#watchers.add(stream)
    this.#sendRecent(stream)
  }

  /** Another replica was told of them. */
  relay(traceIds: readonly string[]): void {
    for (const traceId of traceIds) this.#want(traceId)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const stream of this.#watchers) stream.end()
  }

  #told(traceIds: readonly string[], limit: RateLimit): void {
    const nowMs = performance.now()
    const passed = traceIds.filter((traceId) => {
      if (limit.take(nowMs)) return this.#want(traceId)
      this.#spared++
      return false
    })
    if (passed.length > 0) this.#options.onWanted?.(passed)
  }

  /** False: it is known already, or one too many. */
  #want(traceId: string): boolean {
    const nowMs = performance.now()
    for (const [known, atMs] of this.#known) {
      if (nowMs - atMs < KNOWN_MS && this.#known.size < MAX_KNOWN) break
      this.#known.delete(known)
    }
    if (this.#known.has(traceId)) return false
    if (this.#waiting.length >= MAX_TRACES || !this.#all.take(nowMs)) {
      this.#spared++
      return false
    }
    this.#known.set(traceId, nowMs)
    this.#wanted++
    this.#waiting.push(traceId)
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS + this.#watchers.size * GATHER_MS_A_READER)
    return true
  }

  #flush(): void {
    this.#timer = undefined
    const message = framed(writeTraces(this.#waiting))
    this.#waiting = []
    // Who told of a trace knows it, and does nothing when asked for it.
    for (const stream of this.#watchers) if (stream.writableLength < MAX_UNREAD_BYTES) stream.write(message)
  }

  #sendRecent(stream: ServerHttp2Stream): void {
    const sinceMs = performance.now() - RECENT_MS
    const recent = [...this.#known].filter(([, atMs]) => atMs > sinceMs).map(([traceId]) => traceId)
    if (recent.length > 0) stream.write(framed(writeTraces(recent.slice(-MAX_TRACES))))
  }
}

function refuse(stream: ServerHttp2Stream, failure: Failure): void {
  const headers = { ':status': 200, 'content-type': 'application/grpc+proto', ...failureTrailers(failure) }
  stream.respond(headers, { endStream: true })
  stream.resume()
}

/** It sends what is none of ours. */
function end(stream: ServerHttp2Stream, code: number): void {
  if (stream.destroyed || stream.writableEnded) return
  stream.removeAllListeners('wantTrailers')
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(code) }))
  stream.removeAllListeners('data').resume()
  stream.end()
  // Not at once: a reset overtakes trailers that are still waiting to be written.
  setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), CUT_OFF_MS).unref()
}
