/** What is wrong with a configuration, as values and as the report that people read. */
import type { Setting } from './setting.ts'

/** One fault. */
export interface Fault {
  /** Setting path as far as known, '' for a fault of a whole file. */
  readonly path: string
  /** `hopscope.yaml:4`, `HOPSCOPE_LISTEN`, `--listen` or '' for what was not given at all. */
  readonly origin: string
  /** The value as shown: secrets masked, long ones cut; '' where there is none to show. */
  readonly value: string
  /** Completes the sentence "expected …". */
  readonly expected: string
}

export const MASK = '***'

/** A value as one line for people: JSON, cut, secrets masked. */
export function shown(setting: Setting, value: unknown): string {
  return lineOf(maskedJson(setting, value))
}

/** A value with its secrets masked. Names in a secret map stay visible. */
export function visible(setting: Setting, value: unknown): unknown {
  return JSON.parse(maskedJson(setting, value))
}

/** JSON as a line for people. */
export function lineOf(json: string): string {
  return json.length > 120 ? `${json.slice(0, 117)}…` : json
}

function maskedJson(setting: Setting, value: unknown): string {
  const { secret = false } = setting
  const hidden = typeof secret === 'function' ? secret(value) : secret
  const whole = JSON.stringify(hidden ? masked(value) : value) ?? 'nothing'
  // User and password of a URL, up to its last @: a password that was not encoded may hold anything.
  return whole.replace(/\/\/(?:[^"\\]|\\.)*@/g, `//${MASK}@`)
}

/** A secret with its text hidden and its shape left. */
export function masked(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return MASK
  if (Array.isArray(value)) return value.map(() => MASK)
  return Object.fromEntries(Object.keys(value).map((key) => [key, MASK]))
}

/** All faults as one text, a line each. */
export function faultReport(faults: readonly Fault[]): string {
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`
  return [`${count} in the configuration:`, ...faults.map((fault) => `  ${faultLine(fault)}`)].join('\n')
}

function faultLine({ path, origin, value, expected }: Fault): string {
  const place = [path, origin === '' ? '' : `(${origin})`].filter((part) => part !== '').join(' ')
  return `${place}: ${value === '' ? '' : `${value}, `}expected ${expected}`
}
