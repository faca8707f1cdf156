/** Without native sidecars, by hand: the hook after start waits for the proxy; while the hook before stop holds it, the app still calls out. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { review } from '../../src/injector/review.ts'
import { createPair, netnsUnavailable } from '../interception/netns.ts'
import { APP_UID, program } from '../interception/programs.ts'
import { type RunContainer, runToEnd, startContainer, startHook } from './pod-by-hand.ts'
import { answerOf, applyPatch, OPTIONS, patchOf, reviewOf } from './support.ts'

const MANIFEST = {
  metadata: { name: 'shop-1', annotations: { 'hopscope.io/log-level': 'debug' } },
  spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 4, containers: [{ name: 'app', image: 'shop:1' }] },
}
const FIELDS = { 'metadata.name': 'shop-1', 'metadata.namespace': 'shop', 'status.podIP': '10.77.0.2' }

test('an ordinary sidecar', { skip: netnsUnavailable() }, async () => {
  const { answer } = review(reviewOf(MANIFEST), true, { ...OPTIONS, nativeSidecars: false })
  const { spec } = applyPatch(MANIFEST, patchOf(answerOf(answer))) as unknown as {
    spec: { initContainers: [RunContainer]; containers: [RunContainer] }
  }
  const [rules, proxy] = [spec.initContainers[0], spec.containers[0]]
  const pair = createPair()
  try {
    assert.equal(runToEnd(pair.pod, rules, FIELDS).status, 0)
    const running = startContainer(pair.pod, proxy, FIELDS)
    const started = startHook(pair.pod, proxy, 'postStart', FIELDS)
    assert.deepEqual(await once(started.child, 'exit'), [0, null], started.stderr())

    const server = pair.peer.start(program('http-server', 80, 'peer'), { uid: APP_UID })
    await server.line((line) => line === 'listening')
    const callOut = (): number => {
      const { stdout } = pair.pod.exec(program('http-call', `http://${pair.peer.v4}/`), { uid: APP_UID })
      return (JSON.parse(stdout) as { status: number }).status
    }
    assert.equal(callOut(), 200)
    const stopping = startHook(pair.pod, proxy, 'preStop', FIELDS)
    const asked = performance.now()
    assert.equal(callOut(), 200)
    assert.deepEqual(await once(stopping.child, 'exit'), [0, null], stopping.stderr())
    assert.ok(performance.now() - asked > 1000, 'the hook holds SIGTERM back for a third of the grace period')
    const exited = once(running.child, 'exit')
    running.child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null], running.stderr())
  } finally {
    await pair.cleanup()
  }
})
