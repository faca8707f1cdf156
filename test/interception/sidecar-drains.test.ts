/** SIGTERM of a sidecar: the app's callers are sent away politely while the app's own calls still go through. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { createPair, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, program } from './programs.ts'
import { pathOf, type Sidecar, said, startSidecar } from './sidecar.ts'

const skip = netnsUnavailable()
/** Far more than it may take. */
const DRAIN_MS = 20_000
let pair: Pair
let sidecar: Sidecar

before(async () => {
  if (skip !== false) return
  pair = createPair()
  sidecar = await startSidecar(pair.pod, ['--timeouts-drain-ms', String(DRAIN_MS)])
  const servers = [
    pair.peer.start(program('http-server', 80, 'peer'), { uid: APP_UID }),
    pair.pod.start(program('calling-app', 80, `http://${pair.peer.v4}/called`), { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

test('after SIGTERM kept connections are closed with their next answer, for which the app may still call', {
  skip,
}, async () => {
  const client = pair.peer.start(program('keep-alive-client', pair.pod.v4, 80, '/copy'))
  const answer = { status: 200, closes: false, body: 'called 200' }
  assert.deepEqual(JSON.parse(await client.line((line) => line.startsWith('{'))), answer)
  const first = await sidecar.span((span) => pathOf(span) === '/called')
  const { child } = sidecar.process
  child.kill('SIGTERM')
  await said(sidecar.process, '"msg":"draining"')
  client.child.kill('SIGUSR2')
  await client.line((line) => line === 'closed')
  assert.deepEqual(client.lines.slice(1), [JSON.stringify({ ...answer, closes: true }), 'closed'])
  const startMs = performance.now()
  if (child.exitCode === null) await once(child, 'exit')
  assert.equal(child.exitCode, 0, sidecar.process.stderr())
  assert.ok(performance.now() - startMs < DRAIN_MS / 2, 'it waited for the deadline with nothing to do')
  // The span of the call that went out during the drain came too.
  await sidecar.span((span) => pathOf(span) === '/called' && span.spanId !== first.spanId)
})
