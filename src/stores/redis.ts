/**
 * Records in Redis, shared by all processes that reach it. Every operation is one script on one key, so that it is atomic
 * and any cluster takes it. Where a command fails, it may have taken effect: what a claim left behind ends with its lease.
 */
import type {
  Claim,
  ClaimRequest,
  ClaimResult,
  IdempotencyRecord,
  IdempotencyStore,
  RecordState,
  StoredResponse,
} from '../exchange/idempotency-store.ts'
import { ByteReader } from './byte-cursor.ts'
import type { ScriptName } from './redis-client.ts'
import { type Argument, connectRedis, messageOf, type RedisConnection, type RedisLink } from './redis-client.ts'
import { encodeResponse, readResponse } from './response-codec.ts'
import { StoreError } from './store-error.ts'
import { type Look, Watch } from './watch.ts'

export interface RedisStoreOptions extends RedisConnection {
  /** Leads every key. */
  readonly prefix: string
  /** Replicas that must have a write before it counts; 0: the master alone. */
  readonly waitReplicas: number
  /** How long to wait for them. */
  readonly waitMs: number
}

/** Longest pause between two looks at a record that another process may change. */
const LAST_LOOK_MS = 100
const EMPTY = Buffer.alloc(0)

export class RedisStore implements IdempotencyStore {
  readonly name = 'redis'
  readonly #connection: RedisLink
  readonly #options: RedisStoreOptions
  readonly #watch: Watch
  #closed = false
  /** Responses that could not be read. */
  damaged = 0

  private constructor(connection: RedisLink, options: RedisStoreOptions) {
    this.#connection = connection
    this.#options = options
    this.#watch = new Watch((id) => this.#look(id), LAST_LOOK_MS)
  }

  /** Connects in the background: until it is there, operations are rejected. */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    return new RedisStore(await connectRedis(options), options)
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { id, owner } = request
    const reply = await this.#change('hopscopeClaim', id, [
      owner,
      bytes(request.fingerprint),
      bytes(request.requestId),
      bytes(request.traceparent),
      String(request.leaseMs),
      String(request.ttlMs),
      String(request.graceMs),
      request.overUnknown ? '1' : '0',
    ])
    const fields = listOf(reply)
    if (fields[0] === 1) return { kind: 'claimed', claim: { id, owner, fence: Number(text(fields[1])) } }
    const record = this.#recordOf(fields)
    if (record === undefined) throw new StoreError('down', 'redis answered a claim with neither')
    return { kind: 'exists', record }
  }

  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Promise<boolean> {
    return this.#owned('hopscopeWork', claim, [bytes(fingerprint), String(leaseMs), 'dispatched'])
  }

  renew(claim: Claim, fingerprint: string, leaseMs: number): Promise<boolean> {
    return this.#owned('hopscopeWork', claim, [bytes(fingerprint), String(leaseMs), ''])
  }

  complete(claim: Claim, fingerprint: string, response: StoredResponse): Promise<boolean> {
    return this.#owned('hopscopeSettle', claim, [bytes(fingerprint), 'completed', encodeResponse(response)])
  }

  markUnknown(claim: Claim, fingerprint: string): Promise<boolean> {
    return this.#owned('hopscopeSettle', claim, [bytes(fingerprint), 'unknown', EMPTY])
  }

  release(claim: Claim): Promise<boolean> {
    return this.#owned('hopscopeRelease', claim, [])
  }

  async #owned(script: ScriptName, claim: Claim, more: readonly Argument[]): Promise<boolean> {
    const held = (await this.#change(script, claim.id, [claim.owner, String(claim.fence), ...more])) === 1
    if (held) this.#watch.notify(claim.id)
    return held
  }

  async read(id: string): Promise<IdempotencyRecord | undefined> {
    return this.#recordOf(listOf(await this.#run('hopscopeRead', id, [])))
  }

  changed(id: string, timeoutMs: number): Promise<void> {
    return this.#watch.wait(id, timeoutMs)
  }

  async #look(id: string): Promise<Look> {
    const [state, token] = listOf(await this.#run('hopscopeLook', id, []))
    const standing = text(state)
    return { inFlight: standing === 'claimed' || standing === 'dispatched', token: `${standing}${text(token)}` }
  }

  /** Redis does not know how many keys it has of ours without looking at all of them. */
  counts(): Readonly<Partial<Record<RecordState, number>>> {
    return {}
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watch.close()
    this.#connection.closing = true
    this.#connection.client.disconnect()
  }

  /** A write: where replicas must have it, they are waited for. */
  async #change(script: ScriptName, id: string, args: readonly Argument[]): Promise<unknown> {
    const { waitReplicas, waitMs, prefix } = this.#options
    if (waitReplicas === 0) return this.#run(script, id, args)
    this.#assertOpen()
    let results: [Error | null, unknown][] | null
    try {
      // In one pipeline, so that both go to the node of the key: WAIT is about the connection that wrote.
      results = await this.#connection.client
        .pipeline()
        [`${script}Buffer`](prefix + id, ...args)
        .wait(waitReplicas, waitMs)
        .exec()
    } catch (error) {
      throw failure(error)
    }
    const [written, waited] = results ?? []
    if (written === undefined || waited === undefined) throw new StoreError('down', 'redis: no answer')
    if (written[0] !== null) throw failure(written[0])
    if (waited[0] !== null) throw failure(waited[0])
    if (Number(waited[1]) < waitReplicas) {
      if (script === 'hopscopeClaim') this.#takeBack(id, args, written[1])
      throw new StoreError('down', `redis: ${String(waited[1])} of ${waitReplicas} replicas have the write`)
    }
    return written[1]
  }

  /** A claim that no replica has does not count: nobody is to wait for the end of its lease. */
  #takeBack(id: string, [owner]: readonly Argument[], reply: unknown): void {
    const [kind, fence] = listOf(reply)
    if (kind === 1) this.#run('hopscopeRelease', id, [owner!, text(fence)]).catch(() => {})
  }

  async #run(script: ScriptName, id: string, args: readonly Argument[]): Promise<unknown> {
    this.#assertOpen()
    try {
      return await this.#connection.client[`${script}Buffer`](this.#options.prefix + id, ...args)
    } catch (error) {
      throw failure(error)
    }
  }

  /** What cannot be sent is refused here, in a word that says why. */
  #assertOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the redis store is closed')
    if (this.#connection.client.status === 'ready') return
    const { lastError } = this.#connection
    throw new StoreError('down', `redis is not connected${lastError === '' ? '' : `: ${lastError}`}`)
  }

  /** From {0, standing, fingerprint, created, request id, traceparent, response}; undefined where free. */
  #recordOf(fields: readonly unknown[]): IdempotencyRecord | undefined {
    const standing = text(fields[1])
    if (standing === 'free') return undefined
    const response = standing === 'completed' ? this.#responseOf(fields[6]) : undefined
    const damaged = standing === 'completed' && response === undefined
    return {
      state: damaged ? 'unknown' : (standing as RecordState),
      fingerprint: text(fields[2]),
      createdMs: Number(text(fields[3])),
      requestId: text(fields[4]),
      traceparent: text(fields[5]),
      response,
    }
  }

  #responseOf(blob: unknown): StoredResponse | undefined {
    try {
      return readResponse(new ByteReader(blob as Buffer)).response
    } catch {
      this.damaged++
      return undefined
    }
  }
}

/** Texts are latin1, as on the wire. */
const bytes = (value: string): Buffer => Buffer.from(value, 'latin1')
const text = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value))

function listOf(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new StoreError('down', 'redis: an answer of another form')
  return reply
}

function failure(error: unknown): StoreError {
  const message = messageOf(error)
  if (error instanceof StoreError) return error
  // Not the error itself: the library hangs the command on it, with the response that was to be stored.
  return message.startsWith('OOM')
    ? new StoreError('full', 'redis: out of memory')
    : new StoreError('down', `redis: ${message}`)
}
