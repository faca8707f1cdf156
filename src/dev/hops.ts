/** A trace tree → hops in the order of drawing, with what each did and whether it is to blame. Pure. */
import { httpStatusOf } from '../aggregator/http-status.ts'
import { durationUs, type ReceivedSpan, serviceOf } from '../aggregator/span.ts'
import type { SpanNode } from '../aggregator/trace-tree.ts'
import type { BarPart } from './style.ts'

/** One row of a waterfall; times in microseconds from the start of the trace. */
export interface Hop {
  /** For each level above: whether siblings follow there; last: whether they follow here. */
  readonly rails: readonly boolean[]
  readonly service: string
  /** 1 for the first try of an exchange that had several, 0 for what is no attempt. */
  readonly attempt: number
  /** Method and path, or the name of the span; '' for gaps and attempts. */
  readonly what: string
  /** HTTP status, 0 where there was none. */
  readonly status: number
  readonly startUs: number
  readonly durationUs: number
  /** Duration without what its children cover. */
  readonly ownUs: number
  /** In order of time; they need not fill the duration. */
  readonly parts: readonly { readonly part: BarPart; readonly us: number }[]
  readonly failed: boolean
  /** Error code or type, '' where it says no more than the status. */
  readonly error: string
  /** Phase in which it failed, '' where not known. */
  readonly errorPhase: string
  /** Some of its children are tries of it that failed. */
  readonly retried: boolean
  /** No span came: others name it as their parent. */
  readonly gap: boolean
  /** The hop that called it, undefined at the root. */
  readonly parent: Hop | undefined
}

const PHASES = ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'receive'] as const

/** Hops of a trace, parents before children. At most `limit`. */
export function hopsOf(roots: readonly SpanNode[], limit: number): Hop[] {
  const origin = earliest(roots)
  const hops: Hop[] = []
  const waiting: { node: SpanNode; rails: readonly boolean[]; parent: Hop | undefined; above: SpanNode | undefined }[] =
    [...roots].reverse().map((node) => ({ node, rails: [], parent: undefined, above: undefined }))
  for (let next = waiting.pop(); next !== undefined && hops.length < limit; next = waiting.pop()) {
    const { node, rails, parent, above } = next
    const hop = hopOf(node, above?.span, rails, parent, origin)
    hops.push(hop)
    for (let i = node.children.length - 1; i >= 0; i--) {
      const more = i < node.children.length - 1
      waiting.push({ node: node.children[i]!, rails: [...rails, more], parent: hop, above: node })
    }
  }
  return hops
}

/** Start of the first span: children can begin before their parents where clocks differ. */
function earliest(roots: readonly SpanNode[]): bigint {
  const walk = [...roots]
  let least = walk[0]?.startNs ?? 0n
  for (const node of walk) {
    if (node.startNs < least) least = node.startNs
    for (const child of node.children) walk.push(child)
  }
  return least
}

function hopOf(
  node: SpanNode,
  above: ReceivedSpan | undefined,
  rails: readonly boolean[],
  parent: Hop | undefined,
  originNs: bigint,
): Hop {
  const { span } = node
  const startUs = Number(node.startNs - originNs) / 1000
  const ownUs = uncovered(node)
  if (span === undefined) {
    return {
      ...{ rails, parent, startUs, ownUs, service: '?', attempt: 0, what: '', status: 0, parts: [] },
      ...{ failed: false, error: '', errorPhase: '', retried: false, gap: true, durationUs: durationUs(node) },
    }
  }
  const status = httpStatusOf(numberOf(span, 'http.response.status_code'))
  const attempt = attemptOf(span, above)
  const error = textOf(span, 'hopscope.error.code') || textOf(span, 'error.type')
  return {
    rails,
    service: serviceOf(span),
    attempt,
    what: attempt > 0 ? '' : whatOf(span),
    status,
    startUs,
    durationUs: durationUs(span),
    ownUs,
    parts: partsOf(span),
    failed: span.status.code === 'error',
    error: error === String(status) ? '' : error,
    errorPhase: textOf(span, 'hopscope.error.phase'),
    retried: node.children.some((child) => child.span !== undefined && attemptOf(child.span, span) > 0),
    gap: false,
    parent,
  }
}

/** A try of the very exchange that the span above it is: same proxy, client side, without facts of its own. */
function attemptOf(span: ReceivedSpan, above: ReceivedSpan | undefined): number {
  if (above === undefined || span.kind !== 'client' || span.attributes.has('hopscope.direction')) return 0
  if (!above.attributes.has('hopscope.direction') || serviceOf(span) !== serviceOf(above)) return 0
  return numberOf(span, 'http.request.resend_count') + 1
}

/** Method and path where the span is of HTTP, else its name. */
function whatOf(span: ReceivedSpan): string {
  const method = textOf(span, 'http.request.method_original') || textOf(span, 'http.request.method')
  const path = textOf(span, 'url.path') || pathOfUrl(textOf(span, 'url.full'))
  return method !== '' && path !== '' ? `${method} ${path}` : span.name
}

function pathOfUrl(url: string): string {
  return /^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? ''
}

/** Phases follow each other from the start; what they leave over is the proxy's own and comes last. */
function partsOf(span: ReceivedSpan): Hop['parts'] {
  const whole = durationUs(span)
  const parts: { part: BarPart; us: number }[] = []
  let rest = whole
  for (const part of PHASES) {
    const us = Math.min(rest, numberOf(span, `hopscope.phase.${part}_us`))
    if (us <= 0) continue
    parts.push({ part, us })
    rest -= us
  }
  if (rest > 0)
    parts.push({ part: parts.length > 0 || span.attributes.has('hopscope.self_us') ? 'self' : 'span', us: rest })
  return parts
}

/** Duration less the time in which at least one child runs; children are in order of start. */
function uncovered(node: SpanNode): number {
  let covered = 0n
  let from = node.startNs
  for (const child of node.children) {
    const start = child.startNs > from ? child.startNs : from
    const end = child.endNs < node.endNs ? child.endNs : node.endNs
    if (end <= start) continue
    covered += end - start
    from = end
  }
  return Number(node.endNs - node.startNs - covered) / 1000
}

function numberOf(span: ReceivedSpan, key: string): number {
  const value = span.attributes.get(key)
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
}

function textOf(span: ReceivedSpan, key: string): string {
  const value = span.attributes.get(key)
  return typeof value === 'string' ? value : ''
}
