/** The mesh of the chaos range, simulated: seconds of spans in moments. Real services say the same in bench/rca. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, isRight } from '../../bench/rca/faults.ts'
import { Random } from '../../bench/rca/random.ts'
import { halfBare, SimulatedMesh } from '../../bench/rca/simulated.ts'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { Watch } from '../../src/aggregator/diagnosis/watch.ts'

const START_MS = 1_790_000_000_000

interface Run {
  readonly watch: Watch
  readonly mesh: SimulatedMesh
  readonly changes: string[]
  /** Lets so many seconds pass; the time then. */
  pass(seconds: number): number
}

function begin(seed: number, bare?: ReadonlySet<string>): Run {
  const mesh = new SimulatedMesh({ random: new Random(seed), perSecond: 60, ...(bare && { bare }) })
  const changes: string[] = []
  const onIncident = (_: Incident, change: string): void => void changes.push(change)
  let now = START_MS
  const watch = new Watch({ names: mesh.names, servedBy: (peer) => mesh.servedBy(peer), onIncident }, now)
  const pass = (seconds: number): number => {
    for (let s = 0; s < seconds; s++) {
      now += 1000
      mesh.second(now - 1000)
      watch.add(mesh.view, mesh.rows, now)
      watch.tick(now)
    }
    return now
  }
  return { watch, mesh, changes, pass }
}

const fault = (kind: Fault['kind'], service: string, size: number, from = ''): Fault => ({
  ...{ kind, service, from, size, route: '' },
})

test('a service that became slow: opened within ten seconds, named first, with evidence, and closed when it is over', () => {
  const { watch, mesh, pass, changes } = begin(1)
  const onsetMs = pass(90)
  assert.deepEqual(watch.state().incidents, [])
  mesh.faults = [fault('delay', 'payments', 80)]
  pass(20)
  const [incident] = watch.state().incidents
  assert.ok(incident !== undefined)
  assert.ok(incident.openedMs - onsetMs <= 10_000, `opened after ${incident.openedMs - onsetMs} ms`)
  assert.ok(Math.abs(incident.onsetMs - onsetMs) <= 6000)
  assert.equal(incident.state, 'open')
  const [cause] = incident.causes
  assert.deepEqual([cause?.diagnosis, cause?.service, cause?.domain], ['slow_service', 'payments', 'application'])
  assert.match(cause!.evidence[0]!, /payments \/charge: the middle is \d+\.\d ms by itself \(usual 1\d\.\d ms\)/)
  assert.match(cause!.traceIds[0]!, /^[0-9a-f]{32}$/)
  mesh.faults = []
  pass(40)
  assert.equal(watch.state().incidents[0]?.state, 'closed')
  assert.deepEqual([changes[0], changes.at(-1)], ['opened', 'closed'])
})

test('failures count where they began, on the way or in the service, and by route where one of several is hit', () => {
  const { watch, mesh, pass } = begin(2)
  pass(75)
  mesh.faults = [{ kind: 'route-errors', service: 'catalog', from: '', route: '/item', size: 0.8 }]
  pass(15)
  const [first] = watch.state().incidents[0]!.causes
  assert.deepEqual([first?.diagnosis, first?.service, first?.route], ['server_error', 'catalog', '/item'])
  mesh.faults = []
  pass(60)
  mesh.faults = [fault('blackhole', 'shipping', 1, 'orders')]
  pass(15)
  const [second] = watch.state().incidents[0]!.causes
  assert.deepEqual([second?.diagnosis, second?.service, second?.from], ['blackhole', 'shipping', 'orders'])
})

test('jitter is told from delay, and a retry storm from the failures that began it', () => {
  const { watch, mesh, pass } = begin(3)
  pass(75)
  mesh.faults = [fault('edge-jitter', 'stock', 250, 'catalog')]
  pass(15)
  const [jitter] = watch.state().incidents[0]!.causes
  assert.deepEqual([jitter?.diagnosis, jitter?.service, jitter?.from], ['network_jitter', 'stock', 'catalog'])
  mesh.faults = []
  pass(60)
  mesh.faults = [fault('retry-storm', 'pricing', 0.9)]
  pass(15)
  const [storm] = watch.state().incidents[0]!.causes
  assert.deepEqual([storm?.diagnosis, storm?.service], ['retry_storm', 'pricing'])
})

test('half of the sidecars missing: what is at fault is named by its address', () => {
  const bare = halfBare(new Random(5))
  const { watch, mesh, pass } = begin(4, bare)
  const service = ['reviews', 'search', 'recommend'].find((name) => bare.has(name)) ?? 'reviews'
  pass(90)
  const wrong = fault('delay', service, 120)
  mesh.faults = [wrong]
  pass(20)
  const [cause] = watch.state().incidents[0]!.causes
  assert.ok(isRight({ ...cause!, service: cause!.service.replace('.mesh', '') }, wrong), cause?.text)
})

test('at a cold start it says that it learns, and guesses nothing', () => {
  const { watch, mesh, pass } = begin(6)
  mesh.faults = [fault('errors', 'payments', 0.5)]
  pass(25)
  const { state, incidents, ready } = watch.state()
  assert.deepEqual([state, incidents, ready], ['learning', [], 0])
  assert.equal(watch.expectations().of('service', 'payments', '/charge', 'own'), undefined)
})

test('ten minutes without a fault, and what was usual is known', () => {
  const { watch, pass, changes } = begin(7)
  pass(600)
  assert.deepEqual(changes, [])
  const usual = watch.expectations().of('service', 'payments', '/charge', 'own')!
  assert.ok(usual.medianUs > 10_000 && usual.medianUs < 14_500, `${usual.medianUs}`)
  assert.ok(usual.p95Us > 18_000 && usual.p95Us < 30_000, `${usual.p95Us}`)
})
