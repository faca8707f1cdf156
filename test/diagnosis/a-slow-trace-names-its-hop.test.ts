import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TraceDiagnosis } from '../../src/aggregator/diagnosis/diagnosis.ts'
import type { Expectations } from '../../src/aggregator/diagnosis/slowness.ts'
import { called, diagnosed, served } from './made-traces.ts'

/** Whole requests take 60 ms, services 10 ms by themselves, ways 1 ms, phases next to nothing. */
const usual: Expectations = {
  of: (kind, _service, _other, measure) => {
    const medianUs = measure === 'total' ? 60_000 : measure !== 'own' ? 50 : kind === 'call' ? 1000 : 10_000
    return { medianUs, p95Us: medianUs * 1.5, samples: 500 }
  },
}

interface Times {
  readonly own?: number
  readonly way?: number
  readonly phases?: Readonly<Record<string, number>>
  readonly self?: number
  readonly seen?: boolean
}

/** web calls payments, which takes `own` milliseconds; the way there and back takes `way`. */
function trace(
  { own = 10, way = 1, phases = {}, self = 0, seen = true }: Times,
  expected?: Expectations,
): TraceDiagnosis {
  const web = served('web', '', { ms: own + way + 10 })
  const attributes = {
    ...Object.fromEntries(Object.entries(phases).map(([name, ms]) => [`hopscope.phase.${name}_us`, ms * 1000])),
    'hopscope.self_us': self * 1000,
  }
  const call = called('web', web.spanId, 'payments.mesh', { startMs: 5, ms: own + way, attributes })
  const payments = served('payments', call.spanId, { startMs: 5 + way / 2, ms: own })
  return diagnosed([web, call, ...(seen ? [payments] : [])], expected)
}

test('a slow hop is named by what grew: itself, the way, a phase, the proxy, or what nobody traces', () => {
  const cases: [string, Times][] = [
    ['slow_service', { own: 400 }],
    ['network_slow', { way: 400 }],
    ['dns_slow', { way: 400, phases: { dns: 380 } }],
    ['network_slow', { way: 400, phases: { connect: 390 } }],
    ['pool_exhausted', { way: 400, phases: { queue: 395 } }],
    ['proxy_slow', { way: 400, self: 390 }],
    ['slow_dependency', { way: 400, seen: false }],
  ]
  for (const [name, times] of cases) {
    const { verdict, causes, note } = trace(times, usual)
    assert.equal(verdict, 'slow', name)
    assert.equal(causes[0]?.diagnosis, name, JSON.stringify(times))
    assert.equal(causes[0]?.service, 'payments')
    assert.ok(causes[0]!.weight > 0.9)
    assert.match(note, /it took 4\d\d\.\d ms; usual are 60\.0 ms/)
  }
})

test('what takes as long as ever is healthy, however long that is; nothing known is said so', () => {
  assert.equal(trace({ own: 40 }, usual).verdict, 'healthy')
  const unknown = trace({ own: 4000 })
  assert.deepEqual([unknown.verdict, unknown.causes], ['unknown', []])
})
