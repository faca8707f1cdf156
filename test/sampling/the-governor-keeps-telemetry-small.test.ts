import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Governor, type GovernorChange, type GovernorOptions } from '../../src/telemetry/governor.ts'

const OPTIONS: GovernorOptions = {
  enabled: true,
  maxShare: 0.05,
  lowest: 0.1,
  recoverMs: 15_000,
  leastLoad: 0.2,
  windowMs: 2000,
}

/** A process that is busy for `load` cores; telemetry costs a fixed part and one for each trace kept. */
class Machine {
  readonly governor: Governor
  readonly changes: GovernorChange[] = []
  #atMs = 1e6
  #telemetryUs = 5000
  #processUs = 1e6

  constructor(options: Partial<GovernorOptions> = {}, configured = 1) {
    this.governor = new Governor({ ...OPTIONS, ...options }, configured)
  }

  run(seconds: number, load: number, shareAtOne: number, fixed = 0): void {
    for (let step = 0; step < seconds * 10; step++) {
      this.#atMs += 100
      const processUs = 100_000 * load
      this.#processUs += processUs
      this.#telemetryUs += processUs * (fixed + shareAtOne * this.governor.ratio)
      const { telemetryUs, processUs: all } = { telemetryUs: this.#telemetryUs, processUs: this.#processUs }
      const change = this.governor.look({ atMs: this.#atMs, telemetryUs, processUs: all })
      if (change !== undefined) this.changes.push(change)
    }
  }

  restartThread(): void {
    this.#telemetryUs = 0
  }
}

test('the ratio falls by halves until telemetry has its share, and no further', () => {
  const machine = new Machine()
  machine.run(60, 1, 0.16)
  assert.equal(machine.governor.ratio, 0.25)
  assert.deepEqual(machine.changes, ['fell', 'fell'])
  assert.ok(machine.governor.share <= 0.05)
})

test('it goes to the lowest and stays there while that is still too much', () => {
  const machine = new Machine()
  machine.run(60, 1, 0.2, 0.06)
  assert.equal(machine.governor.ratio, 0.1)
  assert.equal(machine.changes.length, 4)
  assert.equal(new Machine({ lowest: 0 }).governor.ratio, 1)
  const lower = new Machine({ lowest: 0 })
  lower.run(60, 1, 0.5, 0.06)
  assert.equal(lower.governor.ratio, 0.001)
})

test('it recovers in steps when there is room, never to fall at once again', () => {
  const machine = new Machine()
  machine.run(9, 1, 0.3)
  assert.equal(machine.governor.ratio, 0.125)
  machine.changes.length = 0
  machine.run(12, 1, 0.02)
  assert.deepEqual(machine.changes, [])
  machine.run(60, 1, 0.02)
  assert.deepEqual(machine.changes, ['rose', 'rose', 'recovered'])
  assert.equal(machine.governor.ratio, 1)
  assert.equal(machine.governor.governs, false)
  // Steady load at any cost: after the first minute nothing moves.
  for (let cost = 0.01; cost < 0.6; cost += 0.013) {
    const steady = new Machine()
    steady.run(120, 1, cost, 0.01)
    const { ratio } = steady.governor
    steady.changes.length = 0
    steady.run(300, 1, cost, 0.01)
    assert.deepEqual(steady.changes, [], `at ${cost}`)
    assert.equal(steady.governor.ratio, ratio)
  }
})

test('while hardly anything runs it does not act, and a ratio that was lowered comes back', () => {
  const machine = new Machine()
  machine.run(60, 0.19, 0.9)
  assert.deepEqual(machine.changes, [])
  machine.run(20, 1, 0.9)
  assert.equal(machine.governor.ratio, 0.1)
  machine.run(80, 0.01, 0.9)
  assert.equal(machine.governor.ratio, 1)
})

test('a thread that starts anew, other settings and the switch are followed', () => {
  const machine = new Machine({}, 0.4)
  machine.run(20, 1, 0.3)
  assert.equal(machine.governor.ratio, 0.1)
  machine.restartThread()
  machine.run(1, 1, 0.3)
  machine.governor.configure(OPTIONS, 0.8)
  assert.equal(machine.governor.ratio, 0.2)
  machine.governor.configure({ ...OPTIONS, enabled: false }, 0.8)
  assert.equal(machine.governor.ratio, 0.8)
  machine.changes.length = 0
  machine.run(20, 1, 0.9)
  assert.deepEqual(machine.changes, [])
  const none = new Machine({}, 0)
  none.run(20, 1, 0.1, 0.9)
  assert.equal(none.governor.ratio, 0)
})
