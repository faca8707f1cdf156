/** Whether one caller takes so much of a service that the others suffer. */
import { CALL, type Entry } from './signatures.ts'
import { countsOf } from './window.ts'

export interface Noisy {
  /** Number of the caller's name. */
  readonly client: number
  readonly perSecond: number
  readonly usualPerSecond: number
  /** Of all calls to the service now. */
  readonly share: number
  /** Callers that call as ever. */
  readonly others: number
}

const WINDOW_S = 6
const LEAST_SHARE = 0.4
/** So many times its own usual rate, and so many times what the others grew by. */
const LEAST_TIMES = 3
/** Fewer calls of a window say nothing. */
const FEWEST = 20
const QUIET_S = 30

/** `calls`: places of calls to the service, of all callers. */
export function noisyAmong(calls: Iterable<Entry>, nowS: number): Noisy | undefined {
  const rates = new Map<number, { now: number; usual: number; calls: number }>()
  for (const { kind, service, signature } of calls) {
    if (kind !== CALL || nowS - signature.lastS > QUIET_S) continue
    const { calls, seconds } = countsOf(signature, nowS, WINDOW_S, 0)
    const known = rates.get(service) ?? { now: 0, usual: 0, calls: 0 }
    known.now += calls / seconds
    known.usual += signature.learnt.rate
    known.calls += calls
    rates.set(service, known)
  }
  let all = 0
  for (const { now } of rates.values()) all += now
  for (const [client, { now, usual, calls }] of rates) {
    const rest = [...rates].filter(([other, { usual }]) => other !== client && usual > 0).map(([, rate]) => rate)
    if (calls < FEWEST || now < all * LEAST_SHARE || rest.length === 0) continue
    const grew = usual > 0 ? now / usual : Number.POSITIVE_INFINITY
    const others = rest.reduce((sum, one) => sum + one.now, 0) / rest.reduce((sum, one) => sum + one.usual, 0)
    if (grew < LEAST_TIMES || grew < LEAST_TIMES * others) continue
    return { client, perSecond: now, usualPerSecond: usual, share: now / all, others: rest.length }
  }
  return undefined
}
