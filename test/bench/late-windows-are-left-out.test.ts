import assert from 'node:assert/strict'
import { test } from 'node:test'
import { punctual } from '../../bench/load/punctual.ts'

/** A window of 20 ms at 1,000 a second is 20 requests. */
const PER_SECOND = 1000
const WINDOW = 20
const WINDOWS = 10

function run(lateAt: readonly number[]): { delaysUs: Uint32Array; latenciesUs: Uint32Array } {
  const delaysUs = new Uint32Array(WINDOW * WINDOWS).fill(50)
  for (const request of lateAt) delaysUs[request] = 301
  // Each latency says which window it is of.
  const latenciesUs = Uint32Array.from(delaysUs, (_, request) => 100 + Math.floor(request / WINDOW))
  return { delaysUs, latenciesUs }
}

const windowsOf = (latencies: Uint32Array): number[] => [...new Set(latencies)].map((latency) => latency - 100)

test('one late request takes its window and both beside it', () => {
  const { latenciesUs, share } = punctual(run([4 * WINDOW + 19]), PER_SECOND)
  assert.deepEqual(windowsOf(latenciesUs), [0, 1, 2, 6, 7, 8, 9])
  assert.equal(latenciesUs.length, 7 * WINDOW)
  assert.equal(share, 0.7)
})

test('slow answers alone take nothing: the choice looks at the load', () => {
  const times = run([])
  times.latenciesUs.fill(1_000_000)
  assert.deepEqual(punctual(times, PER_SECOND), { latenciesUs: times.latenciesUs, share: 1 })
})

test('what was never answered is no latency, and a run that was late throughout has none', () => {
  const times = run([])
  times.latenciesUs[3] = 0
  assert.equal(punctual(times, PER_SECOND).latenciesUs.length, WINDOW * WINDOWS - 1)
  const late = punctual(run(Array.from({ length: WINDOW * WINDOWS }, (_, i) => i)), PER_SECOND)
  assert.deepEqual(late, { latenciesUs: new Uint32Array(0), share: 0 })
})
