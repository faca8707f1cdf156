import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { problem, TestProxy } from '../support/proxy.ts'
import { ModelStore } from './model-store.ts'
import { keyedChain, post } from './support.ts'

/** An origin whose first connections do as the scripts say, one each; later ones answer. */
function failing(...scripts: ((peer: Peer) => Promise<void> | void)[]): Promise<Origin> {
  return Origin.start(async (peer, index) => {
    const script = scripts[index]
    if (script !== undefined) {
      await script(peer)
      return
    }
    for (;;) {
      await peer.message()
      peer.send(ok('ran'))
    }
  })
}

test('a refused connection releases the key', async (t) => {
  const store = new ModelStore()
  const { ask } = await keyedChain(t, await Origin.answering(() => ok('x')), { store })
  const proxy = await TestProxy.start('http://127.0.0.1:1', { store })
  t.after(() => proxy.close())
  const client = await Peer.connect(proxy.port)
  client.send(post({ key: 'k' }))
  assert.equal((await client.message()).status, 502)
  client.socket.destroy()
  assert.deepEqual(store.log, ['claim', 'release'])
  assert.equal((await ask({ key: 'k' })).body, 'x', 'it runs where there is an upstream')
})

const unknowns: Record<string, (peer: Peer) => Promise<void>> = {
  'a reset after the request': async (peer) => {
    await peer.message()
    peer.reset()
  },
  'a connection closed without an answer': async (peer) => {
    await peer.message()
    peer.socket.destroy()
  },
  'half a head': async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-')
    peer.reset()
  },
  'a truncated body': async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
    await new Promise((resolve) => setTimeout(resolve, 20))
    peer.reset()
  },
  'a malformed answer': async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx')
  },
  'no answer in time': async (peer) => {
    await peer.message()
  },
}

for (const [what, script] of Object.entries(unknowns)) {
  test(`${what}: the outcome is unknown, and repeats are refused`, async (t) => {
    const { ask, origin, proxy, store } = await keyedChain(t, await failing(script), {
      flags: { 'timeouts.firstByteMs': '200' },
    })
    await ask({ key: 'k' }).catch(() => undefined)
    await proxy.finished(1)
    for (let i = 0; i < 2; i++) {
      const again = await ask({ key: 'k' })
      assert.equal(again.status, 409)
      assert.equal(problem(again.body).code, 'idempotency_outcome_unknown')
      assert.equal(field(again, 'retry-after'), undefined)
    }
    assert.equal((await ask({ key: 'k', body: 'other' })).status, 422)
    assert.deepEqual(store.counts(), { unknown: 1 })
    assert.equal(origin.connections.length, 1)
  })
}

test('onUnknown=retry runs it again, with the key, and keeps that answer', async (t) => {
  const { ask, origin } = await keyedChain(t, await failing(unknowns['a reset after the request']!), {
    flags: { 'idempotency.onUnknown': 'retry' },
  })
  assert.equal((await ask({ key: 'k' })).status, 502)
  assert.equal((await ask({ key: 'k' })).body, 'ran')
  const replay = await ask({ key: 'k' })
  assert.equal(field(replay, 'idempotent-replayed'), 'true')
  assert.equal(origin.connections.length, 2)
})

/** The proxy has an idle connection to the origin that dies as the keyed request goes out on it. */
async function onReused(t: Parameters<typeof keyedChain>[0], settings: Record<string, string> = {}) {
  let requests = 0
  const origin = await Origin.start(async (peer, index) => {
    for (;;) {
      await peer.message()
      requests++
      if (index === 0 && requests === 2) {
        peer.reset()
        return
      }
      peer.send(ok(`made ${requests}`))
    }
  })
  const flags = { 'upstream.reuse': 'always', ...settings }
  return { ...(await keyedChain(t, origin, { flags })), origin, requests: () => requests }
}

test('a POST that failed on a reused connection after it was sent is not sent again', async (t) => {
  const { ask, requests } = await onReused(t)
  assert.equal((await ask({ path: '/warm' })).status, 200)
  assert.equal((await ask({ key: 'k' })).status, 502)
  assert.equal(requests(), 2)
})

test('… unless the upstream knows the key itself', async (t) => {
  const { ask, requests, proxy } = await onReused(t, { 'idempotency.onUnknown': 'retry' })
  assert.equal((await ask({ path: '/warm' })).status, 200)
  assert.equal((await ask({ key: 'k' })).body, 'made 3')
  assert.equal(requests(), 3)
  assert.equal((await proxy.finished(2))[1]?.attempts, 2)
})

test('a PUT is repeated by its method, but with a key that counts only by what is known', async (t) => {
  const plain = await onReused(t)
  assert.equal((await plain.ask({ method: 'PUT', path: '/warm' })).status, 200)
  assert.equal((await plain.ask({ method: 'PUT', key: 'k' })).body, 'made 3')
  const keyed = await onReused(t, { 'idempotency.methods': 'PUT' })
  assert.equal((await keyed.ask({ method: 'PUT', path: '/warm' })).status, 200)
  assert.equal((await keyed.ask({ method: 'PUT', key: 'k' })).status, 502)
  assert.equal(keyed.requests(), 2)
})

test('an idle connection that died is replaced, since nothing was sent', async (t) => {
  const origin = await Origin.start(async (peer, index) => {
    await peer.message()
    peer.send(ok(`made ${index}`))
    if (index === 0) peer.finish()
    else await peer.message().catch(() => undefined)
  })
  const { ask, store } = await keyedChain(t, origin, { flags: { 'upstream.reuse': 'always' } })
  assert.equal((await ask({ key: 'a' })).body, 'made 0')
  assert.equal((await ask({ key: 'b' })).body, 'made 1')
  assert.deepEqual(store.counts(), { completed: 2 })
})
