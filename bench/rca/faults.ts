/** Faults of the range, by seed: what, where, and what a right diagnosis of it names. */
import type { DiagnosisName } from '../../src/core/diagnoses.ts'
import { BEHIND_CACHES, CALLERS, calledRoutes, EDGES, EGRESS, EXTERNAL, MESHED, type MeshEdge } from './mesh.ts'
import type { Random } from './random.ts'

/** Where a kind of fault can be, how large it is, and by which names it may be told. */
interface Kind {
  readonly at: 'service' | 'edge' | 'egress' | 'external' | 'meshed' | 'caller' | 'cached'
  /** Least and most; milliseconds or a share. */
  readonly size: readonly [least: number, most: number]
  readonly names: readonly DiagnosisName[]
}

const SLOW = ['slow_service', 'unsteady_service', 'slow_dependency', 'periodic_pauses'] as const
const NETWORK = ['network_slow', 'network_jitter', 'slow_dependency'] as const
const FAILING = ['server_error', 'exception', 'dependency_failing'] as const

const KINDS = {
  delay: { at: 'service', size: [30, 200], names: SLOW },
  jitter: { at: 'service', size: [100, 300], names: SLOW },
  errors: { at: 'service', size: [0.15, 0.65], names: FAILING },
  'route-errors': { at: 'service', size: [0.5, 1], names: FAILING },
  'cpu-burn': { at: 'service', size: [15, 55], names: SLOW },
  memory: { at: 'service', size: [100, 200], names: SLOW },
  pause: { at: 'service', size: [150, 350], names: SLOW },
  'edge-delay': { at: 'edge', size: [30, 200], names: NETWORK },
  'edge-jitter': { at: 'edge', size: [100, 300], names: NETWORK },
  'edge-loss': { at: 'edge', size: [0.1, 0.3], names: [...NETWORK, 'retransmissions', 'connect_timeout', 'blackhole'] },
  refused: { at: 'service', size: [1, 1], names: ['connection_refused', 'dependency_failing'] },
  resets: { at: 'service', size: [0.15, 0.65], names: ['connection_reset'] },
  blackhole: { at: 'edge', size: [1, 1], names: ['blackhole', 'connect_timeout', 'upstream_timeout'] },
  'dns-slow': { at: 'egress', size: [150, 450], names: ['dns_slow'] },
  'dns-failing': { at: 'egress', size: [1, 1], names: ['dns_failing'] },
  'cert-expired': { at: 'external', size: [1, 1], names: ['tls_certificate_expired'] },
  pool: { at: 'egress', size: [1, 1], names: ['pool_exhausted'] },
  'app-pool': { at: 'caller', size: [0.9, 1.3], names: [...SLOW, ...FAILING, 'overloaded', 'pool_exhausted'] },
  'cached-delay': { at: 'cached', size: [60, 250], names: SLOW },
  'retry-storm': { at: 'meshed', size: [0.5, 1], names: ['retry_storm', 'overloaded', ...FAILING] },
  'clock-skew': { at: 'meshed', size: [2000, 20_000], names: ['clock_drift'] },
} as const satisfies Readonly<Record<string, Kind>>

export type SingleKind = keyof typeof KINDS
export type FaultKind = SingleKind | 'two-at-once'

const SINGLE_KINDS = Object.keys(KINDS) as SingleKind[]
export const FAULT_KINDS: readonly FaultKind[] = [...SINGLE_KINDS, 'two-at-once']

export interface Fault {
  readonly kind: SingleKind
  /** The service at fault; of an edge, the one called. */
  readonly service: string
  /** The caller, for faults of an edge. */
  readonly from: string
  /** The route, where only one is hit. */
  readonly route: string
  /** Milliseconds, or a share; by kind. */
  readonly size: number
}

/** The faults of a seed. Nothing else is drawn from the numbers that follow from it. */
export function faultsOf(kind: FaultKind, random: Random): Fault[] {
  if (kind !== 'two-at-once') return [faultOf(kind, random)]
  // A clock that is wrong hurts nobody: it is no second fault.
  const singles = SINGLE_KINDS.filter((one) => one !== 'clock-skew')
  const first = faultOf(random.pick(singles), random)
  for (;;) {
    const second = faultOf(random.pick(singles), random)
    if (second.service !== first.service) return [first, second]
  }
}

/** Clocks are seen by sidecars alone: that of a service without one is set wrong at another. */
export function seeable(faults: readonly Fault[], bare: ReadonlySet<string>): Fault[] {
  const seen = CALLED.filter((name) => MESHED.includes(name) && !bare.has(name))
  return faults.map((fault) => {
    if (fault.kind !== 'clock-skew' || !bare.has(fault.service)) return fault
    return { ...fault, service: seen[Math.floor(fault.size) % seen.length]! }
  })
}

function faultOf(kind: SingleKind, random: Random): Fault {
  const { size } = KINDS[kind]
  const [from, service] = placeOf(kind, random)
  const route = kind === 'route-errors' ? random.pick(calledRoutes(service)) : ''
  return { kind, service, from, route, size: size[0] + random.next() * (size[1] - size[0]) }
}

const CALLED = [...MESHED, ...EXTERNAL].filter((name) => EDGES.some(([, callee]) => callee === name))

function placeOf(kind: SingleKind, random: Random): MeshEdge {
  const { at } = KINDS[kind]
  if (at === 'edge') return random.pick(EDGES)
  if (at === 'egress') return random.pick(EGRESS)
  const of = { service: CALLED, external: EXTERNAL, meshed: CALLED.filter((name) => MESHED.includes(name)) }
  return ['', random.pick(at === 'caller' ? CALLERS : at === 'cached' ? BEHIND_CACHES : of[at])]
}

/** Whether the fault was told by a name that fits it. */
export const isNamed = (kind: SingleKind, name: string): boolean =>
  (KINDS[kind].names as readonly string[]).includes(name)

/**
 * What of a fault can be seen where services have no sidecar: time and failures of one that is called by another without
 * a sidecar are seen as that one's.
 */
export function seenAs({ service, from }: Fault, bare: ReadonlySet<string>): { service: string; from: string }[] {
  const found = [{ service, from }]
  const walk = from === '' ? [service] : bare.has(from) ? [from] : []
  if (from !== '' && bare.has(from)) found.push({ service: from, from: '' })
  // Grows while it is walked.
  for (const at of walk) {
    if (!bare.has(at)) continue
    for (const [caller, callee] of EDGES) {
      if (callee !== at || !bare.has(caller) || walk.includes(caller)) continue
      walk.push(caller)
      found.push({ service: caller, from: '' })
    }
  }
  return found
}

/** The cause names what is at fault: the service, or one end of the edge and the other, as far as it is seen at all. */
export function isRight(
  cause: { readonly service: string; readonly from: string },
  { service, from }: Pick<Fault, 'service' | 'from'>,
): boolean {
  return (
    cause.service === service &&
    (from === '' || cause.from === '' || cause.from === from || cause.from.endsWith('callers'))
  )
}

/** One line for people. */
export const faultText = ({ kind, from, service, route, size }: Fault): string =>
  `${kind} ${from === '' ? '' : `${from} → `}${service}${route} ${size < 10 ? size.toFixed(2) : size.toFixed(0)}`
