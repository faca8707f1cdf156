/** A configuration read again while one is in effect: what of it takes effect, and what waits for a restart. */
import type { Fault } from './fault.ts'
import { type Effective, sameValue, type Values } from './layer.ts'
import { type InEffect, inEffect, type LoadInput, loadConfig } from './load.ts'
import { SETTINGS } from './schema.ts'

export interface ReloadOutcome {
  /** Empty: the new configuration is in effect, as far as it can be without a restart. */
  readonly faults: readonly Fault[]
  /** Paths of settings that now have another value. */
  readonly changed: readonly string[]
  /** Paths of settings whose new value waits for a restart. */
  readonly needRestart: readonly string[]
  readonly warnings: readonly string[]
}

/** Plain data: it crosses threads. */
export interface Reread {
  readonly outcome: ReloadOutcome
  /** Undefined where nothing changed. */
  readonly now: InEffect | undefined
}

/** Reads and validates everything anew. `before`: the values in effect. */
export async function reread(input: LoadInput, before: Values): Promise<Reread> {
  const result = await loadConfig(input)
  const { warnings } = result
  if (!result.ok) return { outcome: { faults: result.faults, changed: [], needRestart: [], warnings }, now: undefined }
  const differs = SETTINGS.filter(
    ({ path, commands }) => commands.includes(input.command) && !sameValue(before, result.values, path),
  )
  const changed = differs.filter(({ reloadable }) => reloadable === true).map(({ path }) => path)
  const needRestart = differs.filter(({ reloadable }) => reloadable !== true).map(({ path }) => path)
  const now = changed.length === 0 ? undefined : inEffect(input.command, merged(before, result.values, changed))
  return { outcome: { faults: [], changed, needRestart, warnings }, now }
}

function merged(before: Values, fresh: Values, changed: readonly string[]): Values {
  const values = new Map<string, Effective>(before)
  for (const path of changed) {
    const value = fresh.get(path)
    if (value === undefined) values.delete(path)
    else values.set(path, value)
  }
  return values
}
