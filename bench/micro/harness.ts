/** Function-level measurements: nanoseconds an operation, enough rounds to see the noise. */
import { type Spread, spreadOf } from '../measure/statistics.ts'

/** One measured function. It returns a value that depends on its work, so that the compiler can't leave the work out. */
export interface MicroBench {
  readonly name: string
  readonly run: () => number
}

/** Where results go; never read, but the compiler does not know. */
let sink = 0

const ROUNDS = 9
const ROUND_MS = 60

/** Median, least and greatest nanoseconds a call, after a warm-up of one round. */
export function measureNs(bench: MicroBench): Spread {
  const calls = calibrate(bench)
  const rounds = Array.from({ length: ROUNDS }, () => (timeMs(bench, calls) * 1e6) / calls)
  return spreadOf(rounds)!
}

/** How many calls fill a round, found by doubling; this is the warm-up as well. */
function calibrate(bench: MicroBench): number {
  let calls = 64
  for (;;) {
    const ms = timeMs(bench, calls)
    if (ms >= ROUND_MS) return calls
    calls *= ms < ROUND_MS / 8 ? 4 : 2
  }
}

function timeMs(bench: MicroBench, calls: number): number {
  const start = performance.now()
  let sum = 0
  for (let i = 0; i < calls; i++) sum += bench.run()
  sink ^= sum
  return performance.now() - start
}

/** Keeps {@link sink} alive. */
export function sinkValue(): number {
  return sink
}
