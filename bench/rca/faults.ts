/** Faults of the range, by seed: what, where, and what a right diagnosis of it names. */
import { EDGES, type MeshEdge, SERVICES, specOf } from './mesh.ts'
import type { Random } from './random.ts'

export const FAULT_KINDS = [
  ...['delay', 'jitter', 'errors', 'route-errors', 'cpu-burn', 'pause'],
  ...['edge-delay', 'edge-jitter', 'edge-loss', 'refused', 'resets', 'blackhole', 'pool', 'retry-storm', 'two-at-once'],
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  readonly kind: Exclude<FaultKind, 'two-at-once'>
  /** The service at fault; of an edge, the one called. */
  readonly service: string
  /** The caller, for faults of an edge. */
  readonly from: string
  /** The route, where only one is hit. */
  readonly route: string
  /** Milliseconds, or a share; by kind. */
  readonly size: number
}

const ON_EDGES: ReadonlySet<FaultKind> = new Set(['edge-delay', 'edge-jitter', 'edge-loss', 'blackhole', 'pool'])

export function faultsOf(kind: FaultKind, random: Random): Fault[] {
  if (kind !== 'two-at-once') return [faultOf(kind, random)]
  const singles = FAULT_KINDS.filter((one) => one !== 'two-at-once') as Fault['kind'][]
  const first = faultOf(random.pick(singles), random)
  for (;;) {
    const second = faultOf(random.pick(singles), random)
    if (second.service !== first.service) return [first, second]
  }
}

function faultOf(kind: Fault['kind'], random: Random): Fault {
  const onEdge = ON_EDGES.has(kind)
  const [from, service]: MeshEdge = onEdge ? random.pick(EDGES) : ['', random.pick(SERVICES.slice(1))]
  const routes = Object.keys(specOf(service).routes)
  return { kind, service, from, route: kind === 'route-errors' ? random.pick(routes) : '', size: sizeOf(kind, random) }
}

function sizeOf(kind: Fault['kind'], random: Random): number {
  switch (kind) {
    case 'delay':
    case 'edge-delay':
      return 30 + random.next() * 170
    case 'jitter':
    case 'edge-jitter':
      return 100 + random.next() * 200
    case 'errors':
    case 'resets':
      return 0.15 + random.next() * 0.5
    case 'route-errors':
    case 'retry-storm':
      return 0.5 + random.next() * 0.5
    case 'edge-loss':
      return 0.1 + random.next() * 0.2
    case 'cpu-burn':
      return 15 + random.next() * 40
    case 'pause':
      return 150 + random.next() * 200
    case 'pool':
      return 40 + random.next() * 100
    default:
      return 1
  }
}

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
