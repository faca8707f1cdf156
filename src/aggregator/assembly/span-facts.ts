/** What single attributes of a span say, under the names of several conventions. */

import { routeBytes, routeOfPath } from '../intake/route-of-path.ts'
import type { AttributeValue, ReceivedSpan } from '../span.ts'
import { PHASES, type Phase } from './hop.ts'

function text(value: AttributeValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

export function attributeText(span: ReceivedSpan, ...keys: readonly string[]): string {
  for (const key of keys) {
    const found = text(span.attributes.get(key))
    if (found !== '') return found
  }
  return ''
}

export function attributeNumber(span: ReceivedSpan, ...keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const value = span.attributes.get(key)
    if (typeof value === 'number' && Number.isFinite(value)) return value
  }
  return undefined
}

/** What shares a clock: the host (in Kubernetes the node: `host.name` is the pod's there), else its instance, else the service. */
export function hostOf(span: ReceivedSpan): string {
  for (const key of ['host.id', 'k8s.node.name', 'host.name', 'service.instance.id', 'service.name']) {
    const found = text(span.resource.get(key))
    if (found !== '') return found
  }
  return '?'
}

export function routeOf(span: ReceivedSpan): string {
  const given = attributeText(span, 'http.route', 'url.template')
  if (given !== '') return given
  const path = attributeText(span, 'url.path', 'http.target') || pathOf(attributeText(span, 'url.full', 'http.url'))
  if (path === '') return span.name
  const bytes = Buffer.from(path)
  return Buffer.from(routeBytes.subarray(0, routeOfPath(bytes, 0, bytes.length))).toString('utf8')
}

const pathOf = (url: string): string => /^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? ''

/** Phases follow each other; together they are never longer than the span. */
export function phasesOf(span: ReceivedSpan, durationUs: number): { phase: Phase; us: number }[] {
  const phases: { phase: Phase; us: number }[] = []
  let rest = durationUs
  for (const phase of PHASES) {
    const us = Math.min(rest, attributeNumber(span, `hopscope.phase.${phase}_us`) ?? 0)
    if (us <= 0) continue
    phases.push({ phase, us })
    rest -= us
  }
  return phases
}

/** One of several tries of the exchange above it, which alone tells whom it called. */
export const isTry = (span: ReceivedSpan): boolean => span.attributes.has('hopscope.attempt')
