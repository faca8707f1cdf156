/** The chart in a real API server: a pod created is a pod injected, by the chart's own webhook, certificate and roles. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createPair, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { noHelm } from './helm.ts'

const missing = ['etcd', 'kube-apiserver'].find((name) => spawnSync(name, ['--version']).status !== 0)
const skip = netnsUnavailable() || noHelm || (missing === undefined ? false : `${missing} is not installed`)

interface SeenPod {
  readonly status: number
  readonly message?: string
  readonly warnings: readonly string[]
  readonly init: readonly string[]
  readonly containers: readonly string[]
  readonly native: boolean
}

interface Seen {
  readonly installed: readonly string[]
  readonly shop: Readonly<Record<string, SeenPod>>
  readonly plain: Readonly<Record<string, SeenPod>>
  readonly own: SeenPod
  readonly events: readonly {
    readonly reason: string
    readonly message: string
    readonly involvedObject: { readonly kind: string; readonly name: string }
  }[]
  readonly metrics: string
  readonly away: Readonly<Record<string, SeenPod>>
  readonly notes: string
  readonly upgraded: readonly string[]
  readonly restricted: Readonly<Record<string, SeenPod>>
  readonly certificateKept: boolean
  readonly mixed: SeenPod
  readonly left: readonly string[]
  readonly removed: SeenPod
}

let pair: Pair | undefined
let seen: Seen
const folder = mkdtempSync(join(tmpdir(), 'hopscope-cluster-'))

before(async () => {
  if (skip !== false) return
  pair = createPair()
  const program = fileURLToPath(new URL('cluster.js', import.meta.url))
  const running = pair.pod.start([process.execPath, program, folder, pair.pod.v4])
  seen = JSON.parse(await running.line((line) => line.startsWith('{'), 100_000)) as Seen
})
after(async () => {
  await pair?.cleanup()
  rmSync(folder, { recursive: true, force: true })
})

test('helm installs the chart with no value set, and says what to do next', { skip }, () => {
  assert.ok(seen.installed.length >= 15, seen.installed.join(' '))
  for (const name of ['mutatingwebhookconfigurations/hopscope-injector', 'statefulsets/hopscope-aggregator']) {
    assert.ok(seen.installed.includes(name), seen.installed.join(' '))
  }
  assert.match(seen.notes, /kubectl label namespace NAMESPACE hopscope\.io\/inject=enabled/)
})

test('everything else of the chart is taken as well, and all its pods are restricted', { skip }, () => {
  for (const name of ['horizontalpodautoscalers/hopscope-gateway', 'daemonsets/hopscope-node']) {
    assert.ok(seen.upgraded.includes(name), seen.upgraded.join(' '))
  }
  const statuses = Object.entries(seen.restricted).map(([name, { status, message }]) => [name, status, message])
  assert.deepEqual(statuses.sort(), [
    ['hopscope-aggregator', 201, undefined],
    ['hopscope-gateway', 201, undefined],
    ['hopscope-injector', 201, undefined],
    ['hopscope-node', 201, undefined],
  ])
})

test('an upgrade keeps the certificate', { skip }, () => {
  assert.equal(seen.certificateKept, true)
})

test('with one node too old for native sidecars, pods get an ordinary container', { skip }, () => {
  const { native, init, containers } = seen.mixed
  assert.deepEqual([native, init, containers], [false, ['hopscope-init'], ['hopscope-proxy', 'app']])
})

test('removed, nothing is left, and pods are created as they are', { skip }, () => {
  assert.deepEqual(seen.left, [])
  assert.deepEqual([seen.removed.status, seen.removed.init], [201, []])
})

test('pods of a namespace that asks are injected, as native sidecars since all nodes know them', { skip }, () => {
  const { status, init, containers, native } = seen.shop.deployment!
  assert.deepEqual([status, native], [201, true])
  assert.deepEqual([init, containers], [['hopscope-init', 'hopscope-proxy'], ['app']])
  assert.deepEqual(seen.shop['existing-init-containers']!.init, ['hopscope-init', 'hopscope-proxy', 'migrate', 'warm'])
  assert.match(seen.metrics, /hopscope_injector_native_sidecars 1/)
})

test('the API server accepts each pod that is injected', { skip }, () => {
  const injected = Object.entries(seen.shop).filter(([, { init }]) => init.includes('hopscope-init'))
  assert.ok(injected.length >= 20, `${injected.length}`)
  for (const [name, { status, message }] of injected) assert.equal(status, 201, `${name}: ${message}`)
})

test('a pod that cannot be injected is created with a warning, and its owner has an Event', { skip }, () => {
  const { status, warnings, init } = seen.shop['host-network']!
  assert.deepEqual([status, init], [201, []])
  assert.match(warnings.join(), /299 .*hostNetwork/)
  const event = seen.events.find(({ message }) => message.includes('hostNetwork'))
  assert.deepEqual(
    [event?.reason, event?.involvedObject.kind, event?.involvedObject.name],
    ['InjectionSkipped', 'ReplicaSet', 'shop-7d9f8c'],
  )
  assert.match(seen.metrics, /hopscope_injector_events_total\{result="written"\} [1-9]/)
})

test('elsewhere only pods that ask by themselves are injected', { skip }, () => {
  const injected = (name: string): boolean => seen.plain[name]!.init.includes('hopscope-proxy')
  assert.deepEqual(
    Object.keys(seen.plain).map((name) => [name, injected(name)]),
    [
      ['deployment', false],
      ['opted-in-by-itself', true],
      ['opted-in-by-label', true],
      ['opted-out', false],
    ],
  )
})

test('pods of the chart’s own namespace are left alone', { skip }, () => {
  assert.deepEqual([seen.own.status, seen.own.init], [201, []])
})

test('while no injector answers, only pods that ask wait for it', { skip }, () => {
  const statusOf = (name: string): number => seen.away[name]!.status
  assert.deepEqual([statusOf('not-asking'), statusOf('opting-out-by-label')], [201, 201])
  assert.equal(statusOf('asking'), 500, seen.away.asking!.message)
  assert.match(seen.away.asking!.message ?? '', /failed calling webhook "namespace\.injector\.hopscope\.io"/)
  assert.equal(statusOf('asking-by-itself'), 500)
})
