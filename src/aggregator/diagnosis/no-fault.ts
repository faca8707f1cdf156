/** What looks like a failure in a trace and is none, or was made up for: told from what else its caller did. Pure. */
import type { Hop } from '../assembly/hop.ts'
import type { Call } from './attribution.ts'
import type { HopFacts } from './trace-facts.ts'

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD'])
const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/**
 * Hops that asked whether something is there: a read that got 404, and later a write by the same caller at the same address
 * that went well. With them what the callee says of it.
 */
export function existenceChecks(hops: readonly Hop[], facts: readonly HopFacts[]): ReadonlySet<string> {
  const written = new Map<string, number>()
  const checks = new Set<string>()
  if (!hops.some(({ http, kind }) => http === 404 && kind === 'client')) return checks
  for (const [i, hop] of hops.entries()) {
    if (hop.kind !== 'client' || hop.failed || hop.http < 200 || hop.http >= 400 || !WRITES.has(facts[i]!.method))
      continue
    const key = callerAndPeer(hop)
    written.set(key, Math.max(hop.startUs, written.get(key) ?? Number.NEGATIVE_INFINITY))
  }
  for (const [i, hop] of hops.entries()) {
    if (hop.http !== 404) continue
    const asks = hop.kind === 'client' && READS.has(facts[i]!.method) && hop.peer !== ''
    const isCheck = asks && (written.get(callerAndPeer(hop)) ?? Number.NEGATIVE_INFINITY) > hop.startUs
    if (isCheck || checks.has(hop.parentSpanId)) checks.add(hop.spanId)
  }
  return checks
}

const callerAndPeer = ({ parentSpanId, peer }: Hop): string => `${parentSpanId}\n${peer}`

/**
 * For each hop whether it is of the processing of a message that failed, and that the same consumer took again later and
 * processed.
 */
export function redelivered(hops: readonly Hop[], calls: readonly Call[]): boolean[] {
  const done = new Map<string, number>()
  for (const [i, hop] of hops.entries()) {
    if (hop.kind !== 'consumer' || hop.parentSpanId === '' || calls[i]!.failed) continue
    const key = messageOf(hop)
    done.set(key, Math.max(hop.startUs, done.get(key) ?? Number.NEGATIVE_INFINITY))
  }
  const settled: boolean[] = []
  for (const [i, hop] of hops.entries()) {
    const { parent } = calls[i]!
    const again = hop.kind === 'consumer' && (done.get(messageOf(hop)) ?? Number.NEGATIVE_INFINITY) > hop.startUs
    settled.push(again || (parent >= 0 && settled[parent]!))
  }
  return settled
}

const messageOf = ({ parentSpanId, service, name }: Hop): string => `${parentSpanId}\n${service}\n${name}`

/** For each hop whether one above it went well: what it was asked for was not needed any more, or in vain. */
export function copedAbove(calls: readonly Call[]): boolean[] {
  const coped: boolean[] = []
  for (const { parent } of calls) {
    coped.push(parent >= 0 && (coped[parent]! || (!calls[parent]!.failed && !calls[parent]!.abandoned)))
  }
  return coped
}
