/** Values of settings from one source, with the place each came from. */
import type { Fault } from './fault.ts'
import type { Setting } from './setting.ts'

/** A value as it was given, not validated yet. */
export interface Given {
  readonly setting: Setting
  readonly value: unknown
  /** `hopscope.yaml:4`, `HOPSCOPE_LISTEN`, `--listen`. */
  readonly origin: string
}

/** One source read: what it gives, and what is wrong with it before values are looked at. */
export interface Layer {
  readonly given: Given[]
  readonly faults: Fault[]
  readonly warnings: string[]
}

export const emptyLayer = (): Layer => ({ given: [], faults: [], warnings: [] })

/** A value that is in effect. */
export interface Effective {
  /** As given. */
  readonly value: unknown
  /** As the program sees it. */
  readonly parsed: unknown
  /** `hopscope.yaml:4`, `HOPSCOPE_LISTEN`, `--listen`; `default`. */
  readonly origin: string
}

/** Values in effect by setting path; unset settings are not there. */
export type Values = ReadonlyMap<string, Effective>

/** Whether a setting says the same in both, wherever it comes from. */
export function sameValue(before: Values, after: Values, path: string): boolean {
  return JSON.stringify(before.get(path)?.value) === JSON.stringify(after.get(path)?.value)
}
