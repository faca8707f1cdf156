/** An entry less its response as bytes. */
import type { RecordState, StoredResponse } from '../exchange/idempotency-store.ts'
import { type ByteReader, type ByteWriter, stringSize } from './byte-cursor.ts'
import type { Entry } from './lifecycle.ts'

const STATES: readonly RecordState[] = ['claimed', 'dispatched', 'completed', 'unknown', 'expired']
const FIXED_BYTES = 1 + 1 + 5 * 8

export function numberOfState(state: RecordState): number {
  return STATES.indexOf(state)
}

/** Throws RangeError on a number that no state has. */
export function stateOf(number: number): RecordState {
  const state = STATES[number]
  if (state === undefined) throw new RangeError('no such state of a record')
  return state
}

/** Bytes that {@link writeEntry} takes. */
export function entrySize({ owner, fingerprint, requestId, traceparent }: Entry): number {
  return FIXED_BYTES + stringSize(owner) + stringSize(fingerprint) + stringSize(requestId) + stringSize(traceparent)
}

/**
 * state u8 | has response u8 | fence, lease until, created, expires, forgotten f64 | owner, fingerprint, request id,
 * traceparent
 */
export function writeEntry(to: ByteWriter, entry: Entry): void {
  to.u8(numberOfState(entry.state))
  to.u8(entry.response === undefined ? 0 : 1)
  to.f64(entry.fence)
  to.f64(entry.leaseUntilMs)
  to.f64(entry.createdMs)
  to.f64(entry.expiresMs)
  to.f64(entry.forgottenMs)
  to.string(entry.owner)
  to.string(entry.fingerprint)
  to.string(entry.requestId)
  to.string(entry.traceparent)
}

/** The entry, its response read by `response` from what follows. Throws RangeError on a state that there is not. */
export function readEntry(from: ByteReader, response: () => StoredResponse | undefined): Entry {
  const state = stateOf(from.u8())
  const hasResponse = from.u8() === 1
  const fence = from.f64()
  const leaseUntilMs = from.f64()
  const createdMs = from.f64()
  const expiresMs = from.f64()
  const forgottenMs = from.f64()
  const owner = from.string()
  const fingerprint = from.string()
  const requestId = from.string()
  const traceparent = from.string()
  return {
    state,
    fingerprint,
    createdMs,
    requestId,
    traceparent,
    response: hasResponse ? response() : undefined,
    owner,
    fence,
    leaseUntilMs,
    expiresMs,
    forgottenMs,
  }
}
