/**
 * The one table of everything that can go wrong on the data path. A code is stable: logs, spans, problem+json,
 * metrics and `hopscope explain` use it, and `docs/errors.md` is generated from here.
 */
import { EGRESS_CODES } from './error-codes-egress.ts'
import { EXCHANGE_CODES } from './error-codes-exchange.ts'
import { HTTP2_CODES } from './error-codes-http2.ts'
import { IDEMPOTENCY_CODES } from './error-codes-idempotency.ts'
import { TLS_CODES } from './error-codes-tls.ts'
import type { ErrorPhase, ErrorSource, RetryClass } from './error-kinds.ts'

export type { ErrorPhase, ErrorSource, RetryClass }

/** Every error code with its HTTP status, blame, retry class and explanation. */
export const ERROR_CODES = {
  ...EXCHANGE_CODES,
  ...EGRESS_CODES,
  ...TLS_CODES,
  ...HTTP2_CODES,
  ...IDEMPOTENCY_CODES,
} as const

/** A stable error code: a key of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** What is known of the upstream connection at the moment of the failure. */
export interface ConnectionFacts {
  readonly reused: boolean
  /** Microseconds since the connection was made. */
  readonly ageUs: number
  /** Bytes of this request that were handed to the kernel. */
  readonly bytesSent: number
}

/**
 * A failure as a value. Never thrown across the data path; no stack is captured, since network errors are expected
 * events and a stack costs more than the request.
 */
export class ProxyError {
  readonly code: ErrorCode
  readonly phase: ErrorPhase
  /** What exactly was wrong, safe to show to a client: never header values, keys or bodies. */
  readonly detail: string
  /** System error name such as `ECONNREFUSED`, '' where there is none. */
  readonly errno: string
  readonly connection: ConnectionFacts | undefined
  readonly cause: unknown

  constructor(
    code: ErrorCode,
    phase: ErrorPhase,
    detail = '',
    more: { readonly errno?: string; readonly connection?: ConnectionFacts; readonly cause?: unknown } = {},
  ) {
    this.code = code
    this.phase = phase
    this.detail = detail
    this.errno = more.errno ?? ''
    this.connection = more.connection
    this.cause = more.cause
  }

  /** The same failure, with what is known of the upstream's connection where it did not say so itself. */
  on(connection: ConnectionFacts | undefined): ProxyError {
    if (connection === undefined || this.connection !== undefined) return this
    const { code, phase, detail, errno, cause } = this
    return new ProxyError(code, phase, detail, { errno, cause, connection })
  }

  get source(): ErrorSource {
    return ERROR_CODES[this.code].source
  }

  get retry(): RetryClass {
    return ERROR_CODES[this.code].retry
  }

  /** HTTP status of the response made from this failure. */
  get status(): number {
    return ERROR_CODES[this.code].status
  }

  get title(): string {
    return ERROR_CODES[this.code].title
  }
}

/** The `code` of a Node system error (`ECONNRESET` …), or '' where there is none. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}
