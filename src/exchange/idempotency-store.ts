/**
 * The store of answers to requests with an Idempotency-Key, as the stage needs it. Every operation is atomic, and those
 * of an owner are compare-and-set on owner and fence: a late first worker can never overwrite a newer claim. A store may
 * answer at once or by a promise, so that one in memory costs no turn of the event loop.
 */

/** Answered at once, or later. A rejection means: the store is not to be had, and nothing is known of the record. */
export type Soon<T> = T | Promise<T>

/**
 * - `claimed`: an owner is about to dispatch; nothing reached the upstream. With its lease over, the key is free.
 * - `dispatched`: the first upstream byte may have left. With its lease over, the outcome is unknown.
 * - `completed`: the response was read to its end; kept, or too large and only its status and size known.
 * - `unknown`: it may or may not have run; never run again before the record expires.
 * - `expired`: past its time to live; remembered for a grace period, so that a late repeat does not run again.
 */
export type RecordState = 'claimed' | 'dispatched' | 'completed' | 'unknown' | 'expired'

/** A response as it is kept. */
export interface StoredResponse {
  readonly status: number
  /** Lines of `core/field-lines`, in the order received, less what must not be replayed. */
  readonly headers: string
  /** Undefined: over the cap, not kept; `bodyBytes` says how long it was. */
  readonly body: Buffer | undefined
  readonly bodyBytes: number
  /** The same of the trailer section. */
  readonly trailers: string
  /** When it was complete, wall-clock milliseconds. */
  readonly completedMs: number
}

export interface IdempotencyRecord {
  readonly state: RecordState
  /**
   * Hash of method, path, query, content type and body; '' until the body was read to its end. `<bytes>:<hash>` is of the
   * beginning of a body that was answered before its end.
   */
  readonly fingerprint: string
  readonly createdMs: number
  /** X-Request-ID and traceparent of the request that ran. */
  readonly requestId: string
  readonly traceparent: string
  readonly response: StoredResponse | undefined
}

/** Who holds a claim. */
export interface Claim {
  /** Hash that stands for method, host, path, principal and key; the raw key never gets here. */
  readonly id: string
  /** Unique for each claim attempt. */
  readonly owner: string
  /** Grows with every claim of this id; given by the store. */
  readonly fence: number
}

export interface ClaimRequest {
  readonly id: string
  readonly owner: string
  readonly fingerprint: string
  readonly requestId: string
  readonly traceparent: string
  /** How long the owner may be silent. */
  readonly leaseMs: number
  /** Age at which the record expires. */
  readonly ttlMs: number
  /** How long after that the id is still remembered as expired. */
  readonly graceMs: number
  /** An `unknown` record counts as free: the upstream is known to run one key once, so that a repeat does no harm. */
  readonly overUnknown: boolean
}

export type ClaimResult =
  | { readonly kind: 'claimed'; readonly claim: Claim }
  | { readonly kind: 'exists'; readonly record: IdempotencyRecord }

/**
 * Changes of a claim return false where the claim is not held any more; nothing is changed then. The outcome is taken from
 * its owner even after the lease is over and the record counts as `unknown`, as long as nobody claimed over it:
 * `complete`, `markUnknown` and `release` end the doubt. `complete` is true again where that owner's outcome is there.
 */
export interface IdempotencyStore {
  /** For metrics and logs. */
  readonly name: 'memory' | 'file' | 'redis'
  /**
   * Take a free id, or learn what is known of it. Free: never seen, past its grace, released, or `claimed` with its lease
   * over. A `dispatched` record with its lease over is turned into `unknown` and returned.
   */
  claim(request: ClaimRequest): Soon<ClaimResult>
  /** Durable before it resolves: the first byte may go upstream after it. `fingerprint` '' leaves it as it is. */
  dispatch(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean>
  /** Still at work; `fingerprint` '' leaves it as it is. */
  renew(claim: Claim, fingerprint: string, leaseMs: number): Soon<boolean>
  /** The outcome, durable before it resolves. */
  complete(claim: Claim, fingerprint: string, response: StoredResponse): Soon<boolean>
  /** It may have run: repeats must not. */
  markUnknown(claim: Claim, fingerprint: string): Soon<boolean>
  /** Nothing reached the upstream: forget the record. */
  release(claim: Claim): Soon<boolean>
  /** What is known of an id, undefined where it is free. */
  read(id: string): Soon<IdempotencyRecord | undefined>
  /** Resolves when the record may have left `claimed` or `dispatched`, at the latest after `timeoutMs`. Never rejects. */
  changed(id: string, timeoutMs: number): Promise<void>
  /** Records held, by state, as far as the store can say cheaply. */
  counts(): Soon<Readonly<Partial<Record<RecordState, number>>>>
  close(): Promise<void>
}
