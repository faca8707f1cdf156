/** What single spans say of dangers ahead: certificates near their end, limits nearly reached, spans lost, clocks apart. */
import type { ClockWatch, Drift } from './clock-watch.ts'
import type { Rare } from './phase-scan.ts'
import type { Sign } from './warnings.ts'
import { causeAt, microseconds, percent } from './words.ts'

const DAY_MS = 86_400_000
/** A certificate is near its end in the last tenth of its life, in its last week at most. */
const LAST_SHARE = 0.1
const LAST_MS = 7 * DAY_MS
const CERTIFICATE_KEEP_MS = 3_600_000
const LIMIT_KEEP_MS = 30_000
const LOST_KEEP_MS = 60_000
const CLOCK_KEEP_MS = 60_000
/** Fewer lost spans a second than this are told by the exporter's metrics alone. */
const LEAST_DROPPED = 50

const at = (service: string): { service: string; from: string; route: string } => ({ service, from: '', route: '' })

/** Prefix of the keys of certificates of that service. */
export const certificateKeys = (service: string): string => `certificate ${service} `

/** Signs of a span of `service`, which says of a certificate of `shown`. */
export function signsOf(service: string, shown: string, rare: Rare, traceId: string, nowMs: number): Sign[] {
  const signs: Sign[] = []
  for (const one of certificatesOf(shown, rare)) {
    if (endsSoon(one.notAfterMs, one.notBeforeMs, nowMs)) signs.push(certificateSign(one, traceId, nowMs))
  }
  const { descriptors, descriptorsLimit, conntrack, conntrackLimit } = rare
  const near = (what: string, count: number, limit: number): void => {
    const evidence = `${what}: ${count} of ${limit} (${percent(count / limit)}) in use, as its proxy counts`
    signs.push({
      ...{ key: `${what} ${service}`, keepMs: LIMIT_KEEP_MS, traceId },
      cause: () => causeAt('descriptors_short', at(service), [evidence], 1),
    })
  }
  if (descriptorsLimit > 0) near('file descriptors', descriptors, descriptorsLimit)
  if (conntrackLimit > 0) near('tracked connections of the host', conntrack, conntrackLimit)
  if (rare.dropped >= LEAST_DROPPED) {
    const evidence = `${rare.dropped} spans of its proxy were lost since it last said so`
    signs.push({
      ...{ key: `spans lost ${service}`, keepMs: LOST_KEEP_MS, traceId },
      cause: () => causeAt('spans_lost', at(service), [evidence], 1),
    })
  }
  return signs
}

/** Whether it ends soon, or has ended. */
export function endsSoon(notAfterMs: number, notBeforeMs: number, nowMs: number): boolean {
  const life = notBeforeMs === 0 ? Number.POSITIVE_INFINITY : notAfterMs - notBeforeMs
  return notAfterMs - nowMs < Math.min(LAST_MS, life * LAST_SHARE)
}

/** A certificate that was shown in a handshake. */
export interface Shown {
  readonly by: string
  readonly notAfterMs: number
  readonly notBeforeMs: number
}

/** Those of a span; `shown` is whose the first one is. */
export function certificatesOf(shown: string, rare: Rare): Shown[] {
  const { notAfterMs, notBeforeMs, upstreamNotAfterMs, upstreamNotBeforeMs, upstreamName } = rare
  const found: Shown[] = []
  if (notAfterMs > 0) found.push({ by: shown, notAfterMs, notBeforeMs })
  if (upstreamNotAfterMs > 0) {
    const by = upstreamName || `the upstream of ${shown}`
    found.push({ by, notAfterMs: upstreamNotAfterMs, notBeforeMs: upstreamNotBeforeMs })
  }
  const { clientNotAfterMs, clientNotBeforeMs, clientName } = rare
  if (clientNotAfterMs > 0) {
    const by = clientName || `a client of ${shown}`
    found.push({ by, notAfterMs: clientNotAfterMs, notBeforeMs: clientNotBeforeMs })
  }
  return found
}

function certificateSign({ by, notAfterMs, notBeforeMs }: Shown, traceId: string, nowMs: number): Sign {
  const name = notAfterMs <= nowMs ? 'tls_certificate_expired' : 'tls_certificate_expiring'
  return {
    ...{ key: `${certificateKeys(by)}${notAfterMs}`, keepMs: CERTIFICATE_KEEP_MS, traceId },
    cause: () => causeAt(name, at(by), certificateEvidence(notAfterMs, notBeforeMs, nowMs), 1),
  }
}

function certificateEvidence(notAfterMs: number, notBeforeMs: number, nowMs: number): string[] {
  const date = new Date(notAfterMs).toISOString()
  const leftMs = notAfterMs - nowMs
  const said = leftMs > 0 ? `it ends ${date}, in ${span(leftMs)}` : `it ended ${date}, ${span(-leftMs)} ago`
  const whole = notBeforeMs === 0 ? [] : [`it is good for ${span(notAfterMs - notBeforeMs)} in all`]
  return [said, ...whole]
}

function span(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`
  return ms >= 7_200_000 ? `${Math.floor(ms / 3_600_000)} hours` : `${Math.floor(ms / 60_000)} minutes`
}

export function clockSign(drift: Drift, clocks: ClockWatch, text: (name: number) => string): Sign {
  const { host, against, offsetUs, uncertaintyUs, samples } = drift
  const [service, name] = [text(clocks.serviceOf(host)), text(host)]
  const of = service === name ? `the clock of ${name}` : `the clock of ${name} (${service})`
  const rest = against === 0 ? 'those of the others' : `that of ${text(against)}, one of the two is wrong`
  const evidence = `${of} is ${microseconds(Math.abs(offsetUs))} ${offsetUs > 0 ? 'ahead of' : 'behind'} ${rest} (± ${microseconds(uncertaintyUs)}, by ${samples} calls)`
  const from = against === 0 ? '' : text(clocks.serviceOf(against))
  return {
    ...{ key: `clock ${name}`, keepMs: CLOCK_KEEP_MS, traceId: '' },
    cause: () => causeAt('clock_drift', { service, from, route: '' }, [evidence], 1),
  }
}
