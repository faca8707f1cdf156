/**
 * The life of a record, for the stores that keep it in this process's hands (memory, file; the script of the redis store
 * says the same in Lua). What the owner knows beats doubt: the outcome is taken from it even where its lease is over and
 * the record counts as `unknown`, as long as nobody claimed over it. Work is not: with the lease over it stops.
 */
import type {
  Claim,
  ClaimRequest,
  IdempotencyRecord,
  RecordState,
  StoredResponse,
} from '../exchange/idempotency-store.ts'

/** A record as a store holds it. Times are wall-clock milliseconds. */
export interface Entry {
  state: RecordState
  fingerprint: string
  readonly createdMs: number
  readonly requestId: string
  readonly traceparent: string
  response: StoredResponse | undefined
  readonly owner: string
  readonly fence: number
  leaseUntilMs: number
  readonly expiresMs: number
  readonly forgottenMs: number
}

/** What an entry amounts to at a moment. */
export type Standing = RecordState | 'free'

/** A running lease outlives the time to live: what is at work is told as such. */
export function standingOf(entry: Entry, nowMs: number): Standing {
  const { state } = entry
  if (state === 'claimed') return nowMs < entry.leaseUntilMs ? 'claimed' : 'free'
  if (state === 'dispatched' && nowMs < entry.leaseUntilMs) return 'dispatched'
  if (nowMs >= entry.forgottenMs) return 'free'
  if (nowMs >= entry.expiresMs) return 'expired'
  return state === 'dispatched' ? 'unknown' : state
}

/** Free; or in doubt where doubt does no harm; or this very claim, asked for again after an answer that did not come. */
export function isClaimable(standing: Standing, holder: string | undefined, request: ClaimRequest): boolean {
  if (standing === 'claimed') return holder === request.owner
  return standing === 'free' || (standing === 'unknown' && request.overUnknown)
}

export function newEntry(request: ClaimRequest, fence: number, nowMs: number): Entry {
  return {
    state: 'claimed',
    fingerprint: request.fingerprint,
    createdMs: nowMs,
    requestId: request.requestId,
    traceparent: request.traceparent,
    response: undefined,
    owner: request.owner,
    fence,
    leaseUntilMs: nowMs + request.leaseMs,
    expiresMs: nowMs + request.ttlMs,
    forgottenMs: nowMs + request.ttlMs + request.graceMs,
  }
}

/** The entry as the port shows it; `standing` is not `free`. */
export function recordOf(entry: Entry, standing: RecordState): IdempotencyRecord {
  return {
    state: standing,
    fingerprint: entry.fingerprint,
    createdMs: entry.createdMs,
    requestId: entry.requestId,
    traceparent: entry.traceparent,
    response: standing === 'completed' ? entry.response : undefined,
  }
}

/** A fence above every one given before: by the clock, so that it grows even where nothing is left of the record. */
export function nextFence(previous: number, nowMs: number): number {
  return Math.max(previous + 1, Math.floor(nowMs * 1000))
}

// === Changes by an owner. Each answers whether the claim is held, and then has changed the entry. ===

function isOwners(entry: Entry, claim: Claim): boolean {
  return entry.owner === claim.owner && entry.fence === claim.fence
}

/** In flight with its lease running. */
function mayWork(entry: Entry, claim: Claim, nowMs: number): boolean {
  if (!isOwners(entry, claim)) return false
  const standing = standingOf(entry, nowMs)
  return standing === 'claimed' || standing === 'dispatched'
}

/** In flight, or in doubt. */
function maySettle(entry: Entry, claim: Claim, nowMs: number): boolean {
  if (!isOwners(entry, claim)) return false
  const standing = standingOf(entry, nowMs)
  return standing === 'claimed' || standing === 'dispatched' || standing === 'unknown'
}

export function dispatchEntry(
  entry: Entry,
  claim: Claim,
  fingerprint: string,
  leaseMs: number,
  nowMs: number,
): boolean {
  if (!renewEntry(entry, claim, fingerprint, leaseMs, nowMs)) return false
  entry.state = 'dispatched'
  return true
}

export function renewEntry(entry: Entry, claim: Claim, fingerprint: string, leaseMs: number, nowMs: number): boolean {
  if (!mayWork(entry, claim, nowMs)) return false
  learn(entry, fingerprint)
  entry.leaseUntilMs = nowMs + leaseMs
  return true
}

/** True as well where this owner's outcome is there already: it asks again after an answer that it did not get. */
export function completeEntry(
  entry: Entry,
  claim: Claim,
  fingerprint: string,
  response: StoredResponse,
  nowMs: number,
): boolean {
  if (isOwners(entry, claim) && standingOf(entry, nowMs) === 'completed') return true
  if (!maySettle(entry, claim, nowMs)) return false
  learn(entry, fingerprint)
  entry.state = 'completed'
  entry.response = response
  return true
}

export function markEntryUnknown(entry: Entry, claim: Claim, fingerprint: string, nowMs: number): boolean {
  if (!maySettle(entry, claim, nowMs)) return false
  learn(entry, fingerprint)
  entry.state = 'unknown'
  return true
}

export function mayRelease(entry: Entry, claim: Claim, nowMs: number): boolean {
  return maySettle(entry, claim, nowMs)
}

function learn(entry: Entry, fingerprint: string): void {
  if (fingerprint !== '') entry.fingerprint = fingerprint
}

/** What remains of a response whose body is given up: status and size. */
export function withoutBody(response: StoredResponse): StoredResponse {
  return { ...response, headers: '', body: undefined, trailers: '' }
}
