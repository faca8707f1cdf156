/**
 * A pod by hand: the init container's command with its two capabilities, the proxy as 1337 with none, the app as another user;
 * then a call that is traced and runs once, probes that tell the truth, and an end in good order.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { review } from '../../src/injector/review.ts'
import { createPair, netnsUnavailable, type Pair, type Running } from '../interception/netns.ts'
import { APP_UID, dial, program } from '../interception/programs.ts'
import type { ToldSpan } from '../interception/sidecar.ts'
import { environment, preStop, type RunContainer, runToEnd, startContainer } from './pod-by-hand.ts'
import { answerOf, applyPatch, OPTIONS, patchOf, reviewOf } from './support.ts'

const skip = netnsUnavailable()
const MANIFEST = {
  metadata: {
    name: 'shop-1',
    labels: { app: 'shop' },
    annotations: {
      'hopscope.io/idempotency': 'honour',
      'hopscope.io/exclude-outbound-ports': '5432',
      'hopscope.io/aggregator': 'http://127.0.0.1:4317',
    },
  },
  spec: {
    terminationGracePeriodSeconds: 30,
    containers: [
      {
        name: 'app',
        image: 'shop:1',
        ports: [{ name: 'http', containerPort: 80 }],
        readinessProbe: { tcpSocket: { port: 'http' } },
        livenessProbe: { httpGet: { path: '/alive', port: 'http' } },
      },
    ],
  },
}
const FIELDS = {
  'metadata.name': 'shop-1',
  'metadata.namespace': 'shop',
  'metadata.uid': '0000',
  'status.podIP': '10.77.0.2',
  'spec.nodeName': 'node-a',
}

interface PatchedPod {
  readonly spec: {
    readonly initContainers: readonly [RunContainer, RunContainer]
    readonly containers: readonly { readonly [probe: string]: { httpGet: { path: string; port: number } } }[]
  }
}

const { answer } = review(reviewOf(MANIFEST), true, OPTIONS)
const patched = applyPatch(MANIFEST, patchOf(answerOf(answer))) as unknown as PatchedPod
const [rules, sidecar] = patched.spec.initContainers
let pair: Pair
let proxy: Running
let app: Running
let receiver: Running

before(() => {
  if (skip === false) pair = createPair()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

/** As the kubelet, which is outside of the pod. */
function probe({ httpGet }: { httpGet: { path: string; port: number } }): { status: number; body: string } {
  return call(`http://${pair.pod.v4}:${httpGet.port}${httpGet.path}`)
}

function call(url: string, key?: string): { status: number; headers: Record<string, string>; body: string } {
  const file = fileURLToPath(new URL('keyed-call.js', import.meta.url))
  const { stdout, stderr } = pair.peer.exec([process.execPath, file, url, ...(key === undefined ? [] : [key])])
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 8000
  while (!holds()) {
    assert.ok(Date.now() < end, `${what}; the proxy said: ${proxy.stderr()}`)
    await pause(50)
  }
}

test('the init container writes the rules, with two capabilities', { skip }, () => {
  assert.deepEqual(sidecar.securityContext.capabilities.add, undefined)
  const { status, said } = runToEnd(pair.pod, rules, FIELDS)
  assert.equal(status, 0, said)
  const saved = pair.pod.exec(['iptables-save', '-t', 'nat']).stdout
  assert.match(saved, /--dport 443 -j REDIRECT --to-ports 15001/)
  assert.match(saved, /--dport 5432 -j RETURN/)
})

test('its spans will name the pod, and what it is called', { skip }, () => {
  const command = ['node', '/opt/hopscope/dist/cli/main.js', 'check-config', '--for', 'sidecar']
  const { status, said } = runToEnd(pair.pod, { ...sidecar, command }, FIELDS)
  assert.equal(status, 0, said)
  assert.match(said, /service\.name.*"shop"/)
  for (const part of ['"k8s.pod.name":"shop-1"', '"k8s.namespace.name":"shop"']) assert.ok(said.includes(part), said)
  assert.match(environment(sidecar.env, FIELDS).OTEL_RESOURCE_ATTRIBUTES!, /k8s\.node\.name=node-a,/)
})

test('the proxy starts without any capability, and its startup probe says when', { skip }, async () => {
  receiver = pair.pod.start(program('span-receiver', 4317))
  await receiver.line((line) => line === 'listening')
  proxy = startContainer(pair.pod, sidecar, FIELDS)
  await until('never ready', () => probe(sidecar.startupProbe!).status === 200)
})

test('before the app listens, its probe fails, where a connection to its port would have been taken', { skip }, () => {
  const { readinessProbe, livenessProbe } = patched.spec.containers[0]!
  assert.equal(readinessProbe!.httpGet.path, '/app-health/app/readiness')
  assert.notEqual(dial(pair.peer, pair.pod.v4, 80), 'ECONNREFUSED')
  const { status, body } = probe(readinessProbe!)
  assert.equal(status, 503)
  assert.match(body, /ECONNREFUSED/)
  assert.equal(probe(livenessProbe!).status, 503)
})

test('once it listens, they succeed, and leave no span', { skip }, async () => {
  app = pair.pod.start(program('http-server', 80, 'app'), { uid: APP_UID })
  await app.line((line) => line === 'listening')
  const { readinessProbe, livenessProbe } = patched.spec.containers[0]!
  assert.equal(probe(readinessProbe!).status, 200)
  assert.equal(probe(livenessProbe!).status, 200)
  assert.equal(spans().filter(({ attributes }) => attributes['url.path'] === '/alive').length, 0)
})

const spans = (): ToldSpan[] => receiver.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))

test('a call with a key runs once, its repeat is answered, and both are traced', { skip }, async () => {
  const url = `http://${pair.pod.v4}/pay`
  const [first, second] = [call(url, 'key-1'), call(url, 'key-1')]
  assert.deepEqual([first.status, second.status], [200, 200])
  assert.equal(first.headers['idempotent-replayed'], undefined)
  assert.notEqual(second.headers['idempotent-replayed'], undefined)
  // The app answers with the request id that it saw: another run would have shown another.
  assert.equal(second.body, first.body)
  assert.notEqual(call(url, 'key-2').body, first.body)
  await until('no spans', () => spans().filter(({ attributes }) => attributes['url.path'] === '/pay').length >= 3)
  const paid = spans().filter(({ attributes }) => attributes['url.path'] === '/pay')
  assert.deepEqual([...new Set(paid.map(({ kind }) => kind))], ['server'])
  const seen = JSON.parse(first.body) as { headers: Record<string, string> }
  assert.ok(seen.headers.traceparent?.includes(paid[0]!.traceId), seen.headers.traceparent)
})

test('the preStop hook drains, the app’s end does not hang on it, and SIGTERM ends the proxy with 0', {
  skip,
}, async () => {
  const hook = preStop(pair.pod, sidecar, FIELDS)
  assert.equal(hook.status, 0, hook.said)
  assert.equal(probe(sidecar.startupProbe!).status, 503)
  const last = call(`http://${pair.pod.v4}/last`)
  assert.deepEqual([last.status, last.headers.connection], [200, 'close'])
  await app.stop()
  const exited = once(proxy.child, 'exit')
  proxy.child.kill('SIGTERM')
  const [code] = (await exited) as [number | null]
  assert.equal(code, 0, proxy.stderr())
})
