import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, type Message, Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually, problem, TestProxy } from '../support/proxy.ts'
import { ModelStore } from './model-store.ts'
import { keyedChain, post } from './support.ts'

/** An origin that takes requests and answers when told. */
async function slowOrigin(): Promise<{ origin: Origin; arrived: Message[]; answer: (text: string) => void }> {
  const arrived: Message[] = []
  const peers: Peer[] = []
  const origin = await Origin.start(async (peer) => {
    for (;;) {
      arrived.push(await peer.message())
      peers.push(peer)
    }
  })
  return { origin, arrived, answer: (text) => peers.shift()!.send(text) }
}

test('repeats wait for the first and get its response: one claim, one record', async (t) => {
  const { origin, arrived, answer } = await slowOrigin()
  const { ask, store, proxy } = await keyedChain(t, origin)
  const answers = Array.from({ length: 20 }, () => ask({ key: 'k' }))
  await eventually('waiting requests', () => proxy.plane.active === 20)
  await eventually('the first at the origin', () => arrived.length === 1)
  answer(ok('done', 'X-A: b\r\n'))
  const responses = await Promise.all(answers)
  assert.ok(responses.every(({ body, status }) => status === 200 && body === 'done'))
  assert.equal(responses.filter((response) => field(response, 'idempotent-replayed') === 'true').length, 19)
  assert.deepEqual(store.log, ['claim', 'dispatch', 'complete'])
  assert.equal(arrived.length, 1)
  const outcomes = (await proxy.finished(20)).map(({ idempotency }) => idempotency).sort()
  assert.deepEqual(outcomes, ['first', ...Array.from({ length: 19 }, () => 'wait')])
})

test('a repeat that has waited long enough is told to come back', async (t) => {
  const { origin, answer } = await slowOrigin()
  const { ask, proxy } = await keyedChain(t, origin, { flags: { 'idempotency.waitMs': '100' } })
  const first = ask({ key: 'k' })
  await eventually('the first under way', () => proxy.plane.active === 1)
  const second = await ask({ key: 'k' })
  assert.equal(second.status, 409)
  assert.equal(field(second, 'retry-after'), '1')
  assert.equal(problem(second.body).code, 'idempotency_in_flight')
  answer(ok('done'))
  assert.equal((await first).body, 'done')
  assert.equal((await ask({ key: 'k' })).body, 'done')
})

test('a repeat with another body is refused while the first still runs', async (t) => {
  const { origin, answer } = await slowOrigin()
  const { ask, proxy } = await keyedChain(t, origin)
  const first = ask({ key: 'k' })
  await eventually('the first under way', () => proxy.plane.active === 1)
  const other = await ask({ key: 'k', body: 'amount=2' })
  assert.equal(other.status, 422)
  answer(ok('done'))
  await first
})

test('a large body that turns out another is refused while the first still runs', async (t) => {
  const { origin, answer } = await slowOrigin()
  const { ask, proxy, dial } = await keyedChain(t, origin)
  const first = ask({ key: 'k', body: 'a'.repeat(100_000) })
  await eventually('the first under way', () => proxy.plane.active === 1)
  const second = await dial()
  const text = post({ key: 'k', body: 'b'.repeat(100_000) })
  second.send(text.slice(0, 90_000))
  await eventually('the second in flight', () => proxy.plane.active === 2)
  second.send(text.slice(90_000))
  assert.equal((await second.message()).status, 422)
  answer(ok('done'))
  await first
})

test('whoever waits elsewhere is told as well, with one subscription for all', async (t) => {
  const { origin, arrived, answer } = await slowOrigin()
  const { ask, store, proxy } = await keyedChain(t, origin)
  const other = await TestProxy.start(`http://127.0.0.1:${origin.port}`, { store })
  t.after(() => other.close())
  let subscriptions = 0
  const { changed } = store
  store.changed = (id, timeoutMs) => {
    subscriptions++
    return changed.call(store, id, timeoutMs)
  }
  const first = ask({ key: 'k' })
  await eventually('the first at the origin', () => arrived.length === 1)
  const waiting = Array.from({ length: 10 }, async () => {
    const client = await Peer.connect(other.port)
    t.after(() => client.socket.destroy())
    client.send(post({ key: 'k' }))
    return await client.message()
  })
  await eventually('requests that wait', () => other.plane.active === 10)
  answer(ok('done'))
  assert.equal((await first).body, 'done')
  for (const response of await Promise.all(waiting)) assert.equal(response.body, 'done')
  assert.equal(proxy.exchanges.length, 1)
  assert.equal(subscriptions, 1)
  assert.equal(store.log.filter((operation) => operation === 'claim').length, 2)
})

test('a first whose client leaves before anything was sent makes room for one that waits', async (t) => {
  const origin = await Origin.answering((_request, nth) => ok(`made ${nth}`))
  const store = new ModelStore()
  let release: (() => void) | undefined
  store.around = (operation) => {
    if (operation !== 'dispatch' || store.log.includes('release')) return undefined
    return new Promise((resolve) => {
      release = resolve
    })
  }
  const { dial, proxy, ask } = await keyedChain(t, origin, { store })
  const first = await dial()
  first.send(post({ key: 'k' }))
  await eventually('a dispatch under way', () => release !== undefined)
  const waiting = [ask({ key: 'k' }), ask({ key: 'k' })]
  await eventually('requests that wait', () => proxy.plane.active === 3)
  first.reset()
  await proxy.finished(1)
  release?.()
  const bodies = (await Promise.all(waiting)).map(({ body }) => body)
  assert.deepEqual(bodies, ['made 0', 'made 0'])
  assert.equal(origin.requests.length, 1)
})

test('those that wait share the failure of a first that reached nothing', async (t) => {
  const store = new ModelStore()
  let go = (): void => {}
  store.around = (operation) =>
    operation === 'claim'
      ? new Promise((resolve) => {
          go = resolve
        })
      : undefined
  const closed = await TestProxy.start('http://127.0.0.1:1', { store })
  t.after(() => closed.close())
  const clients = await Promise.all([1, 2, 3].map(() => Peer.connect(closed.port)))
  for (const client of clients) {
    t.after(() => client.socket.destroy())
    client.send(post({ key: 'k' }))
  }
  await eventually('requests that wait', () => closed.plane.active === 3)
  go()
  for (const client of clients) assert.equal((await client.message()).status, 502)
  assert.deepEqual(store.log, ['claim', 'release'])
})
