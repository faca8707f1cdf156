/** An entry less its response as bytes. */
import type { RecordState, StoredResponse } from '../exchange/idempotency-store.ts'
import { type ByteReader, type ByteWriter, stringSize } from './byte-cursor.ts'
import type { Entry } from './lifecycle.ts'

const STATES: readonly RecordState[] = ['claimed', 'dispatched', 'completed', 'unknown', 'expired']
const FIXED_BYTES = 1 + 1 + 5 * 8

/** As {@link stateOf} takes it. */
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

/** The numbers of an entry: its fence, and wall-clock milliseconds. */
export type Times = Pick<Entry, 'fence' | 'leaseUntilMs' | 'createdMs' | 'expiresMs' | 'forgottenMs'>

/** Five numbers, f64 each. */
export function writeTimes(to: ByteWriter, { fence, leaseUntilMs, createdMs, expiresMs, forgottenMs }: Times): void {
  to.f64(fence)
  to.f64(leaseUntilMs)
  to.f64(createdMs)
  to.f64(expiresMs)
  to.f64(forgottenMs)
}

/** Throws OutOfBytes where there are fewer. */
export function readTimes(from: ByteReader): Times {
  return {
    fence: from.f64(),
    leaseUntilMs: from.f64(),
    createdMs: from.f64(),
    expiresMs: from.f64(),
    forgottenMs: from.f64(),
  }
}

/**
 * state u8 | has response u8 | fence, lease until, created, expires, forgotten f64 | owner, fingerprint, request id,
 * traceparent
 */
export function writeEntry(to: ByteWriter, entry: Entry): void {
  to.u8(numberOfState(entry.state))
  to.u8(entry.response === undefined ? 0 : 1)
  writeTimes(to, entry)
  to.string(entry.owner)
  to.string(entry.fingerprint)
  to.string(entry.requestId)
  to.string(entry.traceparent)
}

/** The entry, its response read by `response` from what follows. Throws RangeError on a state that there is not. */
export function readEntry(from: ByteReader, response: () => StoredResponse | undefined): Entry {
  const state = stateOf(from.u8())
  const hasResponse = from.u8() === 1
  const { fence, leaseUntilMs, createdMs, expiresMs, forgottenMs } = readTimes(from)
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
