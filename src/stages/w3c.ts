/** W3C Trace Context level 2: parse and check (https://www.w3.org/TR/trace-context-2/ §3.2, §3.3). */

/** What a traceparent says. */
export interface ParentContext {
  readonly traceId: string
  readonly spanId: string
  readonly flags: number
}

export const FLAG_SAMPLED = 1
export const FLAG_RANDOM = 2

const LENGTH = 55
const ZERO_TRACE = '0'.repeat(32)
const ZERO_SPAN = '0'.repeat(16)

/** A traceparent value, or undefined where it must be ignored as a whole. */
export function parseTraceparent(value: string): ParentContext | undefined {
  if (value.length < LENGTH) return undefined
  for (let i = 0; i < LENGTH; i++) {
    const code = value.charCodeAt(i)
    if (i === 2 || i === 35 || i === 52) {
      if (code !== 0x2d) return undefined
    } else if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return undefined
  }
  const version = value.slice(0, 2)
  if (version === 'ff') return undefined
  // A later version may have more behind a dash; version 00 has exactly this length (§3.2.4).
  if (value.length > LENGTH && (version === '00' || value.charCodeAt(LENGTH) !== 0x2d)) return undefined
  const traceId = value.slice(3, 35)
  const spanId = value.slice(36, 52)
  if (traceId === ZERO_TRACE || spanId === ZERO_SPAN) return undefined
  return { traceId, spanId, flags: Number.parseInt(value.slice(53, 55), 16) & (FLAG_SAMPLED | FLAG_RANDOM) }
}

/** `00-<trace>-<span>-<flags>`. */
export function formatTraceparent(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags}`
}

const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/
const MAX_MEMBERS = 32

/**
 * A tracestate is well-formed: at most 32 members of `key=value`, empty ones allowed (§3.3.1). A key that comes twice
 * is passed on as it is: the W3C test suite wants such a list kept.
 */
export function validTracestate(value: string): boolean {
  let members = 0
  for (const part of value.split(',')) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '')
    if (member !== '' && (!MEMBER.test(member) || ++members > MAX_MEMBERS)) return false
  }
  return true
}
