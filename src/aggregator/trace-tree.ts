/** A trace's spans as a tree in which missing parents are gaps. */
import type { ReceivedSpan } from './span.ts'

export interface SpanNode {
  readonly spanId: string
  /** Undefined for a gap: spans name this parent, and it has not come. */
  readonly span: ReceivedSpan | undefined
  /** By start. */
  readonly children: readonly SpanNode[]
  /** Of a gap: what its children cover. */
  readonly startNs: bigint
  readonly endNs: bigint
}

interface Growing {
  readonly spanId: string
  readonly span: ReceivedSpan | undefined
  readonly children: Growing[]
  startNs: bigint
  endNs: bigint
}

/** Roots by start. Spans that are each other's ancestors, which only a faulty sender makes, hang on a gap of their own. */
export function traceTree(spans: Iterable<ReceivedSpan>): readonly SpanNode[] {
  const nodes = new Map<string, Growing>()
  for (const span of spans) {
    const { spanId, startNs, endNs } = span
    nodes.set(spanId, { spanId, span, children: [], startNs, endNs: endNs < startNs ? startNs : endNs })
  }
  const roots: Growing[] = []
  const gaps = new Map<string, Growing>()
  for (const node of nodes.values()) {
    const parentId = node.span?.parentSpanId ?? ''
    if (parentId === '') roots.push(node)
    else (nodes.get(parentId) ?? gapFor(parentId, node, gaps)).children.push(node)
  }
  roots.push(...gaps.values(), ...ringRoots(nodes, [...roots, ...gaps.values()]))
  const seen = [...roots]
  // Grows while it is walked, and so reaches every depth without recursion: traces can be thousands deep.
  for (const node of seen) {
    node.children.sort(byStart)
    for (const child of node.children) seen.push(child)
  }
  return roots.sort(byStart)
}

function gapFor(spanId: string, child: Growing, gaps: Map<string, Growing>): Growing {
  const gap: Growing = gaps.get(spanId) ?? {
    spanId,
    span: undefined,
    children: [],
    startNs: child.startNs,
    endNs: child.endNs,
  }
  if (child.startNs < gap.startNs) gap.startNs = child.startNs
  if (child.endNs > gap.endNs) gap.endNs = child.endNs
  gaps.set(spanId, gap)
  return gap
}

/** One gap for each ring: the ring is opened at the first of its spans that is met. */
function ringRoots(nodes: ReadonlyMap<string, Growing>, roots: readonly Growing[]): Growing[] {
  const reached = new Set<Growing>()
  const reach = (from: Growing): void => {
    const walk = [from]
    reached.add(from)
    for (const node of walk) {
      for (const child of node.children) {
        if (reached.has(child)) continue
        reached.add(child)
        walk.push(child)
      }
    }
  }
  for (const root of roots) reach(root)
  const opened: Growing[] = []
  for (const node of nodes.values()) {
    if (reached.has(node)) continue
    const parent = nodes.get(node.span!.parentSpanId)!
    parent.children.splice(parent.children.indexOf(node), 1)
    reach(node)
    opened.push(gapFor(parent.spanId, node, new Map()))
    opened.at(-1)!.children.push(node)
  }
  return opened
}

const byStart = (a: SpanNode, b: SpanNode): number => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0)
