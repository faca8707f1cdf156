/** What goes on beside a fault and is none: a batch job, a deploy, a service that was always slow. By seed. */
import type { Fault } from './faults.ts'
import { calledRoutes, MESHED } from './mesh.ts'
import type { Random } from './random.ts'

/** By how much more than a service takes anyway the slow one takes, milliseconds. */
export const ALWAYS_MS = 60
/** Calls a second of a batch job, and how long it runs. */
export const BATCH = { perSecond: 25, seconds: 15 }
/** How long a service that is deployed takes no connection. */
export const BLIP_MS = 300

export interface Distraction {
  readonly kind: 'none' | 'batch' | 'deploy'
  readonly service: string
  readonly route: string
  /** Seconds after the onset of the fault; before it where negative. */
  readonly afterS: number
}

/** The service that is slow all the time, from the start on. */
export const slowOf = (random: Random): string => random.pick(MESHED.slice(1))

/** Of services that the faults do not touch. */
export function distractionOf(random: Random, faults: readonly Fault[]): Distraction {
  const kind = random.pick(['none', 'batch', 'deploy'] as const)
  const touched = new Set(faults.flatMap(({ service, from }) => [service, from]))
  const service = random.pick(MESHED.slice(1).filter((name) => !touched.has(name)))
  const route = random.pick(calledRoutes(service))
  return { kind, service, route, afterS: Math.round(random.next() * 12) - 6 }
}

export const distractionText = ({ kind, service, afterS }: Distraction): string =>
  kind === 'none' ? '' : ` (${kind} of ${service} at ${afterS} s)`
