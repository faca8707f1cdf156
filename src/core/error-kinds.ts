/** What a row of the error tables is made of, see {@link ./errors.ts}. */
/** Who is at fault: the client side, the server side, or the proxy itself. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal'

/** The timed part of a hop in which the failure happened; `head` is the request head, before any attempt. */
export type ErrorPhase = 'head' | 'queue' | 'dns' | 'connect' | 'tls' | 'send' | 'wait' | 'receive' | 'tunnel'

/**
 * Whether another attempt may follow. `safe`: no byte of the request reached the upstream. `if-reused`: only when
 * the connection was a reused one and the request may be repeated (RFC 9110 §9.2.2). `never`: the outcome is
 * unknown or the answer would be the same.
 */
export type RetryClass = 'never' | 'safe' | 'if-reused'

/** What is known of a code: the row of the table. */
export interface CodeFacts {
  readonly status: number
  readonly source: ErrorSource
  readonly retry: RetryClass
  /** One sentence for people, sent in problem+json. */
  readonly title: string
  /** What it means, for `hopscope explain`. */
  readonly means: string
  /** What to look at next, for `hopscope explain`. */
  readonly check: string
}

/** A row for a failure of the client's side. */
export const client = (status: number, title: string, means: string, check: string): CodeFacts => ({
  status,
  source: 'downstream',
  retry: 'never',
  title,
  means,
  check,
})
/** A row for a failure of the upstream's side. */
export const server = (status: number, retry: RetryClass, title: string, means: string, check: string): CodeFacts => ({
  status,
  source: 'upstream',
  retry,
  title,
  means,
  check,
})
/** A row for a failure of the proxy itself. */
export const own = (status: number, title: string, means: string, check: string): CodeFacts => ({
  status,
  source: 'internal',
  retry: 'never',
  title,
  means,
  check,
})
