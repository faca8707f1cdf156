/** Phases of a simulated hop as the bytes of a span's attributes, as proxies write them and diagnosis reads them. */

export interface Phases {
  readonly queue?: number
  readonly dns?: number
  readonly connect?: number
  readonly tls?: number
}

const [ATTRIBUTE, KEY, VALUE, INT] = [0x4a, 0x0a, 0x12, 0x18]

/** Milliseconds → attributes in microseconds, at `at`; where they end. */
export function writePhases(into: Uint8Array, at: number, phases: Phases): number {
  for (const [name, ms] of Object.entries(phases) as [string, number][]) {
    const key = Buffer.from(`hopscope.phase.${name}_us`)
    const value = varint(Math.round(ms * 1000))
    const bytes = [KEY, key.length, ...key, VALUE, value.length + 1, INT, ...value]
    into.set([ATTRIBUTE, bytes.length, ...bytes], at)
    at += bytes.length + 2
  }
  return at
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80)
  return [...bytes, value]
}
