/** What both receivers share: the bound on bytes in flight, the token, and an answer for each outcome. */
import { timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Intake } from '../intake/intake.ts'
import { type Failure, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE } from './grpc-status.ts'

/** Largest request, unpacked (OTLP asks a server to have a bound; senders split at 4 MiB). */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024

export interface ReceiverOptions {
  readonly intake: Pick<Intake, 'accept' | 'pressure'>
  /** Bytes of requests that are on their way in, over all connections. */
  readonly maxInFlightBytes: number
  /** `authorization: Bearer …` that senders must show; undefined: none. */
  readonly bearerToken: string | undefined
  /** Called with each request that was taken, unpacked; the parts are not to be kept. */
  readonly onTaken?: ((parts: readonly Uint8Array[]) => void) | undefined
}

/** Spans of the request that were left out. */
export interface Success {
  readonly rejected: number
}

export type Answer = Success | Failure

export const isFailure = (answer: Answer): answer is Failure => 'code' in answer

const RETRY_MS = 1000
const MAX_UNPACKING = 4
const inflate = promisify(gunzip)

export class Receiver {
  readonly #options: ReceiverOptions
  readonly #token: Buffer | undefined
  #inFlight = 0
  #unpacking = 0
  readonly #waiting: (() => void)[] = []
  /** Requests by outcome, for metrics. */
  readonly outcomes = new Map<string, number>()

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#token = options.bearerToken === undefined ? undefined : Buffer.from(`Bearer ${options.bearerToken}`)
  }

  get inFlightBytes(): number {
    return this.#inFlight
  }

  /** Whether a request that begins may come in: undefined, or why not. */
  admit(authorization: string | undefined): Failure | undefined {
    if (this.#token !== undefined && !isSame(this.#token, authorization ?? '')) {
      return { code: UNAUTHENTICATED, message: 'a bearer token is needed: authorization: Bearer …' }
    }
    const pressure = this.#options.intake.pressure
    if (pressure !== undefined) return { code: UNAVAILABLE, message: pressure, retryMs: RETRY_MS }
    return this.full
  }

  /** The failure of requests while too much is under way, those that were let in before included. */
  get full(): Failure | undefined {
    if (this.#inFlight < this.#options.maxInFlightBytes) return undefined
    return { code: RESOURCE_EXHAUSTED, message: 'too many bytes in flight', retryMs: RETRY_MS }
  }

  /** Counts bytes that came in, and those that are done with as negative. */
  hold(bytes: number): void {
    this.#inFlight += bytes
  }

  /** Unpack and take a request; the packed bytes are the caller's to count. */
  async take(body: Buffer, gzip: boolean): Promise<Answer> {
    const unpacked = gzip ? await this.#unpacked(body) : body
    if (!Buffer.isBuffer(unpacked)) return this.#count(unpacked)
    return this.accept([unpacked])
  }

  /** Take an unpacked ExportTraceServiceRequest in parts as it came. */
  async accept(parts: readonly Uint8Array[]): Promise<Answer> {
    const intook = await this.#options.intake.accept(parts)
    if (intook.kind === 'accepted') {
      this.#options.onTaken?.(parts)
      return this.#count({ rejected: intook.rejected })
    }
    if (intook.kind === 'malformed') {
      const { reason, offset } = intook.fault
      const length = parts.reduce((sum, part) => sum + part.length, 0)
      const message = `not an ExportTraceServiceRequest: ${reason}, at byte ${offset} of ${length}`
      return this.#count({ code: INVALID_ARGUMENT, message })
    }
    return this.#count({ code: UNAVAILABLE, message: intook.reason, retryMs: intook.retryMs })
  }

  /** Unpack alone, for bodies that are not protobuf. */
  async unpack(body: Buffer): Promise<Buffer | Failure> {
    const unpacked = await this.#unpacked(body)
    if (!Buffer.isBuffer(unpacked)) this.#count(unpacked)
    return unpacked
  }

  /** Stops at the bound: a bomb costs no more than an honest request of the largest size. Few at once, for the same reason. */
  async #unpacked(body: Buffer): Promise<Buffer | Failure> {
    if (this.#unpacking >= MAX_UNPACKING) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#unpacking++
    try {
      return await inflate(body, { maxOutputLength: MAX_REQUEST_BYTES })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return tooLarge()
      return { code: INVALID_ARGUMENT, message: `gzip: ${(error as Error).message}` }
    } finally {
      // A waiting one takes the place over.
      const next = this.#waiting.shift()
      if (next === undefined) this.#unpacking--
      else next()
    }
  }

  #count(answer: Answer): Answer {
    const outcome = !isFailure(answer) ? (answer.rejected > 0 ? 'partial' : 'ok') : String(answer.code)
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    return answer
  }
}

/** Not to be repeated: RESOURCE_EXHAUSTED without RetryInfo. */
export function tooLarge(): Failure {
  return { code: RESOURCE_EXHAUSTED, message: `the request is larger than ${MAX_REQUEST_BYTES} bytes` }
}

function isSame(token: Buffer, given: string): boolean {
  const bytes = Buffer.from(given)
  return bytes.length === token.length && timingSafeEqual(bytes, token)
}
