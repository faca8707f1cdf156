/** Whether a trace took longer than such traces take, and which of its hops made it so. */
import type { TraceCause } from './diagnosis.ts'
import { type Expectation, type Expectations, type Measure, nameSlowness } from './slowness.ts'
import type { Judged } from './trace-diagnosis.ts'
import { causeAt, microseconds, percent } from './words.ts'

/** Slow is more than so many times what all but one in twenty take, … */
const TIMES = 1.5
/** … and more than so much longer than the middle. */
const LEAST_US = 5000
/** A proxy's own time below this is usual anywhere. */
const LEAST_SELF_US = 1000
/** A hop that has less of the excess than this is no cause. */
const LEAST_SHARE = 0.15

export interface Compared {
  readonly slow: boolean
  readonly text: string
}

/** Undefined: still learning what is usual. */
export function slowerThanUsual(judged: readonly Judged[], expected: Expectations): Compared | undefined {
  const root = judged.find(({ hop }) => !hop.gap)
  if (root === undefined) return undefined
  const usual = expected.of('service', root.hop.service, root.hop.route, 'total')
  if (usual === undefined) return undefined
  const { durationUs } = root.hop
  const slow = durationUs > usual.p95Us * TIMES && durationUs - usual.medianUs > LEAST_US
  return { slow, text: `it took ${microseconds(durationUs)}; ${usualText(usual)}` }
}

function usualText({ medianUs, p95Us, samples }: Expectation): string {
  return `usual are ${microseconds(medianUs)}, to ${microseconds(p95Us)} for 95 of 100 (of ${samples} calls)`
}

/** Hops by the time that they took over what is usual for them; hops of which nothing is known count in full. */
export function slowCauses(judged: readonly Judged[], expected: Expectations): TraceCause[] {
  const excesses = judged
    .filter(({ hop }) => !hop.gap)
    .map((one) => {
      const usual = usualOf(one, expected, 'own')
      return { one, usual, excessUs: Math.max(0, one.share.ownUs - (usual?.medianUs ?? 0)) }
    })
  const all = excesses.reduce((sum, { excessUs }) => sum + excessUs, 0)
  if (all <= 0) return []
  return excesses
    .filter(({ excessUs }) => excessUs >= all * LEAST_SHARE)
    .sort((a, b) => b.excessUs - a.excessUs)
    .map(({ one, usual, excessUs }) => slowCause(one, usual, excessUs, excessUs / all, expected))
}

function usualOf({ hop, call }: Judged, expected: Expectations, measure: Measure): Expectation | undefined {
  return expected.of(call.isCall ? 'call' : 'service', hop.service, call.isCall ? hop.peer : hop.route, measure)
}

function slowCause(
  one: Judged,
  usual: Expectation | undefined,
  excessUs: number,
  weight: number,
  expected: Expectations,
): TraceCause {
  const { hop, share, call, place } = one
  const phases = hop.phases
    .filter(({ phase }) => phase !== 'wait' && phase !== 'receive')
    .map(({ phase, us }) => ({
      phase,
      excessUs: Math.max(0, us - (usualOf(one, expected, phase)?.medianUs ?? 0)),
    }))
  const { diagnosis, phase } = nameSlowness({
    ...{ isCall: call.isCall, unseen: share.unseen, excessUs, phases },
    selfExcessUs: hop.selfUs > LEAST_SELF_US ? hop.selfUs : 0,
  })
  const what = call.isCall ? (share.unseen ? 'waited' : 'on the way') : 'by itself'
  const evidence = [
    `${hop.service} ${hop.name} took ${microseconds(share.ownUs)} ${what}; ${usual === undefined ? 'what is usual is not known yet' : usualText(usual)}`,
    `that is ${percent(weight)} of the time over the usual`,
    ...(phase === undefined
      ? []
      : [`${microseconds(hop.phases.find((o) => o.phase === phase)!.us)} of it in ${phase}`]),
  ]
  return { ...causeAt(diagnosis, place, evidence, weight), spanId: hop.spanId }
}
