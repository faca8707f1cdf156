/** Edges that fell silent while their callers are as busy as ever; and calls whose other side sends no spans any more. */
import { isReady } from './deviation.ts'
import { CALL, type Entry, SERVED, type Signatures } from './signatures.ts'
import type { Sign } from './warnings.ts'
import { countsOf } from './window.ts'
import { causeAt, percent } from './words.ts'

/** Calls stopped: in so many seconds none came where so many at least were to be expected. */
const SILENT_S = 20
const LEAST_EXPECTED = 30
const KEEP_MS = 15_000
/** A place that fell silent longer ago is not called any more. */
const LONG_S = 1800
/** Spans of the other side are missing: share and number of calls, far over the usual. */
const LEAST_UNSEEN = 0.5
const FEWEST_UNSEEN = 20
const TIMES_UNSEEN = 4

export function silentEdges(all: Signatures, nowS: number, text: (name: number) => string): Sign[] {
  const found: Sign[] = []
  for (const entry of all) {
    if (entry.kind !== CALL || !isReady(entry.signature)) continue
    const sign = stopped(entry, all, nowS, text) ?? unseen(entry, nowS, text)
    if (sign !== undefined) found.push(sign)
  }
  return found
}

function stopped(entry: Entry, all: Signatures, nowS: number, text: (name: number) => string): Sign | undefined {
  const { service, other, callee, via, signature } = entry
  const silentS = nowS - signature.lastS
  if (silentS < SILENT_S || silentS > LONG_S || via === 0) return undefined
  const caller = all.find(SERVED, service, via)?.signature
  if (caller === undefined || caller.learnt.rate === 0) return undefined
  // As many as the route now has, by what one of its requests usually calls.
  const { calls } = countsOf(caller, nowS, SILENT_S, 0)
  const each = Math.min(1, signature.learnt.rate / caller.learnt.rate)
  const expected = calls * each
  if (expected < LEAST_EXPECTED) return undefined
  const [from, to] = [text(service), text(callee || other)]
  const said = [
    `no call for ${Math.round(silentS)} s, where about ${Math.round(expected)} in ${SILENT_S} s were to be expected`,
    `${from} ${text(via)}, which makes them, was asked ${calls} times in ${SILENT_S} s`,
  ]
  return {
    ...{ key: `stopped ${from} ${to}`, keepMs: KEEP_MS, traceId: '' },
    cause: () => causeAt('calls_stopped', { service: to, from, route: '' }, said, 1),
  }
}

function unseen(entry: Entry, nowS: number, text: (name: number) => string): Sign | undefined {
  const { service, other, callee, signature } = entry
  if (callee === 0) return undefined
  const { calls, unseen } = countsOf(signature, nowS, SILENT_S, 0)
  const { learnt } = signature
  const usual = (learnt.unseen + 0.5) / (learnt.calls + 50)
  if (unseen < FEWEST_UNSEEN || unseen < calls * Math.max(LEAST_UNSEEN, usual * TIMES_UNSEEN)) return undefined
  const [from, to] = [text(service), text(callee || other)]
  const said = `${unseen} of ${calls} calls in ${SILENT_S} s went well and have no span of ${to} (usual ${percent(usual)})`
  return {
    ...{ key: `unseen ${from} ${to}`, keepMs: KEEP_MS, traceId: '' },
    cause: () => causeAt('handover_failed', { service: to, from, route: '' }, [said], 1),
  }
}
