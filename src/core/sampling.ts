/**
 * Consistent probability sampling as OpenTelemetry has it (specification/trace/tracestate-probability-sampling.md): 56
 * random bits of a trace, `rv`, against a rejection threshold, `th`. Kept where `rv >= th`; a span that was kept stands for
 * `2^56 / (2^56 - th)` of its kind. Both are hex texts here, 14 digits where they are compared: as text they compare exactly.
 */

const DIGITS = 14
const SPAN = 2n ** 56n
/** Hex digits of a threshold behind its leading `f`s: one percent is `fd70a4`, as in the specification. */
const PRECISION = 5
/** In its last 14 characters a trace id is random (W3C Trace Context level 2). */
const RANDOM_FROM = 18
/** OpenTelemetry's member of the tracestate; its value is bounded (tracestate-handling.md). */
const MEMBER = /^\s*ot=/
const MAX_VALUE = 256
const MAX_MEMBERS = 32
const TH = /^[0-9a-f]{1,14}$/
const RV = /^[0-9a-f]{14}$/

/** The threshold of a share above 0 as `th` has it: without zeros at its end, `0` for all. Shares below 2^-56 count as that. */
export function thresholdOf(ratio: number): string {
  if (ratio >= 1) return '0'
  const kept = BigInt(Math.max(1, Math.round(ratio * 2 ** 56)))
  const exact = SPAN - kept
  const text = exact.toString(16).padStart(DIGITS, '0')
  const leading = /^f*/.exec(text)![0].length
  const digits = Math.min(DIGITS, leading + PRECISION)
  const unit = 16n ** BigInt(DIGITS - digits)
  const rounded = ((exact + unit / 2n) / unit) * unit
  // Rounded up to nothing at all: the exact one then.
  const threshold = rounded >= SPAN ? exact : rounded
  return trimmed(threshold.toString(16).padStart(DIGITS, '0'))
}

const trimmed = (padded: string): string => padded.replace(/0+$/, '') || '0'

/** 14 digits, to be compared with {@link randomnessOf}. */
export const paddedThreshold = (th: string): string => th.padEnd(DIGITS, '0')

/** The random bits of a trace id of 32 hex characters: 14 digits. */
export const randomnessOf = (traceId: string): string => traceId.slice(RANDOM_FROM)

/** The share that a threshold keeps. */
export function probabilityOf(th: string): number {
  return Number(SPAN - BigInt(`0x${paddedThreshold(th)}`)) / 2 ** 56
}

/** What OpenTelemetry's member says of sampling; what is malformed is not there. */
export interface OtState {
  readonly th: string | undefined
  readonly rv: string | undefined
}

const NOTHING: OtState = { th: undefined, rv: undefined }

export function readOt(tracestate: string): OtState {
  if (!tracestate.includes('ot=')) return NOTHING
  const member = tracestate.split(',').find((one) => MEMBER.test(one))
  if (member === undefined) return NOTHING
  const keys = subKeys(member)
  const [th, rv] = [keys.get('th'), keys.get('rv')]
  return {
    th: th !== undefined && TH.test(th) ? th : undefined,
    rv: rv !== undefined && RV.test(rv) ? rv : undefined,
  }
}

function subKeys(member: string): Map<string, string> {
  const keys = new Map<string, string>()
  for (const part of member.trim().slice('ot='.length).split(';')) {
    const colon = part.indexOf(':')
    if (colon > 0) keys.set(part.slice(0, colon), part.slice(colon + 1))
  }
  return keys
}

/**
 * The tracestate with this threshold, '' for none, in OpenTelemetry's member. A member that is changed goes to the left
 * (W3C §3.5); what else it says stays. '' where nothing is left.
 */
export function withThreshold(tracestate: string, th: string): string {
  if (tracestate === '') return th === '' ? '' : `ot=th:${th}`
  const members = tracestate.split(',').filter((one) => one.trim() !== '')
  const own = members.find((one) => MEMBER.test(one))
  const others = members.filter((one) => !MEMBER.test(one))
  const keys = own === undefined ? new Map<string, string>() : subKeys(own)
  if (own === undefined && th === '') return tracestate
  keys.delete('th')
  const parts = [...(th === '' ? [] : [`th:${th}`]), ...[...keys].map(([key, value]) => `${key}:${value}`)]
  while (parts.join(';').length > MAX_VALUE) parts.pop()
  if (parts.length === 0) return others.join(',')
  return [`ot=${parts.join(';')}`, ...others.slice(0, MAX_MEMBERS - 1)].join(',')
}

/** Whether a sampled trace can have been kept by its threshold; one without passes. */
export function isConsistent(tracestate: string, traceId: string): boolean {
  const { th, rv } = readOt(tracestate)
  return th === undefined || (rv ?? randomnessOf(traceId)) >= paddedThreshold(th)
}
