/** What is missing from a trace, and what in it cannot be as it is said. */
import type { Steps } from '../portions.ts'
import type { HostClock } from './clocks.ts'
import type { Finding, Hop } from './hop.ts'

/** Findings of one trace; a faulty sender could make one a span. */
const MAX_FINDINGS = 100
/** Times are rounded on their way: less than this is nothing. */
const ROUNDING_US = 2

export function* findings(
  hops: readonly Hop[],
  clocks: ReadonlyMap<string, HostClock>,
  servedBy: (peer: string) => string | undefined,
): Steps<Finding[]> {
  const byId = new Map(hops.map((hop) => [hop.spanId, hop]))
  const children = new Map<string, Hop[]>()
  for (const hop of hops) {
    const known = children.get(hop.parentSpanId)
    if (known === undefined) children.set(hop.parentSpanId, [hop])
    else known.push(hop)
  }
  yield
  const found: Finding[] = []
  for (const [i, hop] of hops.entries()) {
    if (i % 256 === 255) yield
    if (found.length >= MAX_FINDINGS) break
    const below = children.get(hop.spanId) ?? []
    if (hop.gap) found.push(missingParent(hop, below))
    else if (hop.kind === 'client') found.push(...handover(hop, below, servedBy))
    const parent = byId.get(hop.parentSpanId)
    if (parent !== undefined && !parent.gap && !hop.gap) found.push(...order(hop, parent, clocks))
  }
  return found
}

function missingParent(gap: Hop, children: readonly Hop[]): Finding {
  const services = [...new Set(children.map(({ service }) => service))].join(', ')
  const spans = children.length === 1 ? 'a span' : `${children.length} spans`
  return {
    kind: 'missing-parent',
    spanId: gap.spanId,
    text: `${spans} of ${services} name${children.length === 1 ? 's' : ''} ${gap.spanId} as parent, which never came: its sender is not traced, dropped it, or lost the context`,
  }
}

/** A call into the mesh that the other side never saw; attempts within one exchange have their own child. */
function handover(hop: Hop, below: readonly Hop[], servedBy: (peer: string) => string | undefined): Finding[] {
  if (below.some(({ kind }) => kind === 'client' || kind === 'server')) return []
  const service = servedBy(hop.peer)
  if (service === undefined || service === hop.service) return []
  const why = hop.error === '' ? 'handover failed' : `handover failed (${hop.error}${inPhase(hop)})`
  const text = `seen at ${hop.service}'s outbound, never at ${service}'s inbound: ${why}`
  return [{ kind: 'handover-failed', spanId: hop.spanId, text }]
}

const inPhase = ({ errorPhase }: Hop): string => (errorPhase === '' ? '' : ` in ${errorPhase}`)

function order(hop: Hop, parent: Hop, clocks: ReadonlyMap<string, HostClock>): Finding[] {
  const found: Finding[] = []
  const sure = hop.uncertaintyUs + parent.uncertaintyUs + ROUNDING_US
  const early = parent.startUs - hop.startUs
  const clock = clocks.get(hop.host)
  if (early > sure) {
    const unknown = clock?.source === 'unknown' ? `; nothing is known of the clock of ${hop.host}` : ''
    const text = `${hop.service} began ${microseconds(early)} before its caller ${parent.service} (sure to ${microseconds(sure)})${unknown}`
    found.push({ kind: clock?.source === 'unknown' ? 'clock-unknown' : 'impossible-order', spanId: hop.spanId, text })
  }
  if (hop.edgeUs !== null && hop.edgeUs < -ROUNDING_US) {
    const text = `${hop.service} says it took ${microseconds(-hop.edgeUs)} longer than its caller ${parent.service} waited: one of the two clocks runs fast, or the caller gave up`
    found.push({ kind: 'longer-than-caller', spanId: hop.spanId, text })
  }
  return found
}

export function microseconds(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`
  if (us < 1e6) return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`
  return `${(us / 1e6).toFixed(2)} s`
}
