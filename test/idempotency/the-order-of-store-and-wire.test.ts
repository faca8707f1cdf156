import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { field } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { ModelStore, type Operation } from './model-store.ts'
import { keyedChain, post } from './support.ts'

/** A store that holds one kind of operation until it is let go. */
function holding(operation: Operation): { store: ModelStore; waits: () => boolean; go: () => void } {
  const store = new ModelStore()
  let release: (() => void) | undefined
  store.around = (asked) =>
    asked === operation
      ? new Promise((resolve) => {
          release = resolve
        })
      : undefined
  return { store, waits: () => release !== undefined, go: () => release?.() }
}

for (const operation of ['claim', 'dispatch'] as const) {
  for (const length of [0, 8, 100_000]) {
    test(`no byte of a body of ${length} leaves before the ${operation} is durable`, async (t) => {
      const { store, waits, go } = holding(operation)
      const origin = await Origin.answering(({ body }) => ok(String(body.length)))
      const { dial } = await keyedChain(t, origin, { store })
      const client = await dial()
      client.send(post({ key: 'k', body: 'x'.repeat(length) }))
      await eventually(`a ${operation}`, waits)
      await sleep(50)
      assert.ok(origin.connections.every(({ unread }) => unread === ''))
      assert.equal(origin.requests.length, 0)
      go()
      assert.equal((await client.message()).body, String(length))
    })
  }
}

const answers: Record<string, { text: string; body: string }> = {
  'with a length': { text: ok('body'), body: 'body' },
  'with a long body': { text: ok('x'.repeat(150_000)), body: 'x'.repeat(150_000) },
  'in chunks': { text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n', body: 'body' },
  'without a body': { text: 'HTTP/1.1 204 No Content\r\n\r\n', body: '' },
  'of length zero': { text: 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n', body: '' },
}

for (const [what, { text, body }] of Object.entries(answers)) {
  test(`an answer ${what} is not complete before it is stored`, async (t) => {
    const { store, waits, go } = holding('complete')
    const origin = await Origin.answering(() => text)
    const { dial } = await keyedChain(t, origin, { store })
    const client = await dial()
    client.send(post({ key: 'k' }))
    await eventually('a commit', waits)
    await sleep(50)
    const before = client.unread
    if (what === 'in chunks') assert.ok(!before.includes('0\r\n\r\n'))
    else if (body === '') assert.equal(before, '')
    else assert.ok(!before.endsWith(body))
    go()
    const response = await client.message()
    assert.equal(response.body, body)
    assert.equal(field(response, 'idempotent-replayed'), undefined)
  })
}

test('a long answer flows while it is recorded', async (t) => {
  const origin = await Origin.start(async (peer) => {
    await peer.message()
    peer.send(`HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour`)
    await eventually('the first half at the client', () => halfSeen)
    peer.send('more')
  })
  let halfSeen = false
  const { dial } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({ key: 'k' }))
  await client.takeThrough('four')
  halfSeen = true
  assert.equal(await client.take(4), 'more')
})

test('answers to requests without a key are never held', async (t) => {
  const origin = await Origin.start(async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody')
  })
  const { dial, store } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({}))
  assert.equal((await client.message()).status, 200)
  client.send(post({}))
  assert.equal((await client.message()).body, 'body')
  assert.deepEqual(store.log, [])
})

test('a client that leaves while its answer is stored', async (t) => {
  const { store, waits, go } = holding('complete')
  const { dial, ask, proxy, origin } = await keyedChain(t, await Origin.answering(() => ok('x')), { store })
  const client = await dial()
  client.send(post({ key: 'k' }))
  await eventually('a commit', waits)
  client.reset()
  await proxy.finished(1)
  go()
  assert.equal((await ask({ key: 'k' })).body, 'x')
  assert.equal(origin.requests.length, 1)
  assert.deepEqual(store.log, ['claim', 'dispatch', 'complete', 'claim'])
})

test('early hints and 100 are relayed and not kept', async (t) => {
  const origin = await Origin.answering(() => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('x')}`)
  const { dial } = await keyedChain(t, origin)
  const client = await dial()
  client.send(post({ key: 'k' }) + post({ key: 'k' }))
  assert.equal((await client.message()).status, 103)
  assert.equal((await client.message()).status, 200)
  assert.equal((await client.message()).status, 200)
  assert.equal(client.unread, '')
})
