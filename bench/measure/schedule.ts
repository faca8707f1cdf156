/** The order of the measurements: rounds outside, peers inside, so that a slow minute of the machine hits all alike. */
import { type Options, PROTOCOL_NAMES } from '../options.ts'
import { WORKLOADS, type Workload } from '../workloads.ts'
import type { Step } from './measure.ts'
import type { Phase } from './sample.ts'

/** One phase of one workload; `warmUp` goes first, once a peer, and is thrown away. */
export interface PhasePlan {
  readonly phase: Phase
  readonly workload: Workload
  readonly warmUp?: Step
  /** One a round. */
  readonly steps: readonly Step[]
}

/** Connections of the memory phase. */
export const MEMORY_CONNECTIONS = 1000

/** Unless --only names them. */
const QUICK_LEAVES_OUT = ['1k', '64k']

/** Throws RangeError for a workload that does not exist. */
export function schedule(options: Options): PhasePlan[] {
  const names = [...WORKLOADS.map((workload) => workload.name), 'memory', ...PROTOCOL_NAMES, 'aggregator', 'rca']
  for (const name of options.only)
    if (!names.includes(name)) throw new RangeError(`no workload ${name}: ${names.join(', ')}`)
  const isWanted = (name: string): boolean => options.only.length === 0 || options.only.includes(name)
  const plans: PhasePlan[] = []
  for (const workload of WORKLOADS) {
    if (!isWanted(workload.name)) continue
    const isFirst = workload.name === 'small'
    if (options.quick && QUICK_LEAVES_OUT.includes(workload.name) && options.only.length === 0) continue
    const rounds = options.rounds ?? (options.quick ? 1 : 3)
    const { saturation, fixed } = workload
    if (saturation !== undefined)
      plans.push(plan('saturation', workload, { ...saturation, perSecond: 0 }, rounds, options))
    if (fixed !== undefined && (isFirst || !options.quick)) plans.push(plan('fixed', workload, fixed, rounds, options))
  }
  if (isWanted('memory')) {
    const size = { connections: MEMORY_CONNECTIONS, seconds: 2, perSecond: 0 }
    plans.push(plan('memory', WORKLOADS[0]!, size, 1, options))
  }
  return plans
}

type Size = Pick<Step, 'connections' | 'seconds' | 'perSecond'>

function plan(phase: Phase, workload: Workload, size: Size, rounds: number, options: Options): PhasePlan {
  const step = { phase, workload, ...size, seconds: options.quick ? 1 : size.seconds }
  const steps = Array.from({ length: rounds }, (_, round) => ({ ...step, round }))
  // The compiler and the pools settle under load; the quick run has time for it only where its figures matter.
  const isWarmed = phase === 'saturation' && (!options.quick || workload.name === 'small')
  return { phase, workload, steps, ...(isWarmed ? { warmUp: { ...step, round: -1, seconds: 1 } } : {}) }
}

/** Peers in the order of a round: each round begins with the next one. */
export function rotated<T>(peers: readonly T[], round: number): T[] {
  const at = peers.length === 0 ? 0 : Math.max(0, round) % peers.length
  return [...peers.slice(at), ...peers.slice(0, at)]
}
