/** What must hold of the phases of any exchange, and of one with a known delay. */
import assert from 'node:assert/strict'
import type { Phase } from '../../src/exchange/exchange.ts'
import type { Finished } from './proxy.ts'

/** Of an exchange: what is looked at here. */
export type Timed = Pick<Finished, 'phases' | 'durationUs'>

/** Every phase and the rest are non-negative, and the phases are within the whole. */
export function addUp(seen: Timed): void {
  const phases = Object.entries(seen.phases)
  for (const [phase, us] of phases) assert.ok(us >= 0, `${phase} took ${us} us`)
  const sum = phases.reduce((total, [, us]) => total + us, 0)
  // Fractions of a microsecond are lost in the differences.
  assert.ok(sum <= seen.durationUs + 0.001, `${sum} us of ${seen.durationUs} us: ${JSON.stringify(seen.phases)}`)
}

/** Phases of one exchange, in milliseconds, with the rest as `own`. */
export function shown(seen: Timed): Record<string, number> {
  addUp(seen)
  const ms: Record<string, number> = {}
  let rest = seen.durationUs
  for (const [phase, us] of Object.entries(seen.phases) as [Phase, number][]) {
    ms[phase] = us / 1000
    rest -= us
  }
  return { ...ms, own: rest / 1000 }
}

/** The delay is in one phase, and less than half as much in each other, whatever else the machine does. */
export function delayIn(seen: Timed, phase: Phase, delayMs: number): void {
  const ms = shown(seen)
  const text = JSON.stringify(ms)
  assert.ok(phase in ms, `no ${phase}: ${text}`)
  for (const [name, took] of Object.entries(ms)) {
    if (name === phase) assert.ok(took >= 0.9 * delayMs && took < 1.75 * delayMs, `${name}, not ${delayMs} ms: ${text}`)
    else assert.ok(took < delayMs / 2, `${name}: ${text}`)
  }
}
