/** See docs/adr/0003: FIN alone does not tell a client that is gone from one that waits for its answer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createPair, netnsUnavailable } from '../interception/netns.ts'

test('a client that closed is found out in seconds, one that only half-closed gets its answer', {
  skip: netnsUnavailable(),
}, async (t) => {
  const { pod, cleanup } = createPair()
  t.after(cleanup)
  const child = pod.start([process.execPath, fileURLToPath(new URL('closed-client.js', import.meta.url))])
  const { code, errno, afterMs, left, body } = JSON.parse(await child.line((line) => line.startsWith('{'), 15_000))
  assert.deepEqual([code, left, body], ['client_closed', 1, 'late'])
  assert.match(errno, /^(EPIPE|ECONNRESET)$/)
  assert.ok(afterMs >= 1000 && afterMs < 8000, `${afterMs} ms`)
})
