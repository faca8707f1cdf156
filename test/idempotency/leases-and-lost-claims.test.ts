import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually, problem, TestProxy } from '../support/proxy.ts'
import { ModelStore } from './model-store.ts'
import { keyedChain, post } from './support.ts'

/** An origin that answers when told. */
async function slowOrigin(): Promise<{ origin: Origin; peers: Peer[] }> {
  const peers: Peer[] = []
  const origin = await Origin.start(async (peer) => {
    for (;;) {
      await peer.message()
      peers.push(peer)
    }
  })
  return { origin, peers }
}

test('the lease is renewed for as long as the request runs', async (t) => {
  const { origin, peers } = await slowOrigin()
  const { ask, store } = await keyedChain(t, origin, { flags: { 'idempotency.leaseMs': '600' } })
  const asked = ask({ key: 'k' })
  await eventually('the request at the origin', () => peers.length === 1)
  const renewals = (): number => store.log.filter((operation) => operation === 'renew').length
  for (let i = 1; i <= 3; i++) {
    await eventually(`renewal ${i}`, () => renewals() >= i)
    // Longer in all than a lease lasts.
    store.nowMs += 250
  }
  assert.deepEqual(store.counts(), { dispatched: 1 })
  peers[0]!.send(ok('x'))
  await asked
  const after = renewals()
  await sleep(500)
  assert.equal(renewals(), after, 'it is renewed no longer')
  assert.deepEqual(store.counts(), { completed: 1 })
})

test('a process that was silent for a lease is not waited for: the outcome is unknown', async (t) => {
  const { origin, peers } = await slowOrigin()
  const { ask, store } = await keyedChain(t, origin)
  const other = await TestProxy.start(`http://127.0.0.1:${origin.port}`, { store })
  t.after(() => other.close())
  const first = ask({ key: 'k' })
  await eventually('the request at the origin', () => peers.length === 1)
  store.nowMs += 10_001
  const client = await Peer.connect(other.port)
  t.after(() => client.socket.destroy())
  client.send(post({ key: 'k' }))
  assert.equal(problem((await client.message()).body).code, 'idempotency_outcome_unknown')
  peers[0]!.send(ok('late'))
  assert.equal((await first).body, 'late', 'its client gets the answer all the same')
  assert.deepEqual(store.counts(), { completed: 1 }, 'and with it the doubt is over')
  assert.equal((await ask({ key: 'k' })).body, 'late')
  assert.equal(peers.length, 1)
})

test('a late first worker does not overwrite a newer claim', async (t) => {
  const { origin, peers } = await slowOrigin()
  const store = new ModelStore()
  const flags = { 'idempotency.onUnknown': 'retry' }
  const { ask, proxy } = await keyedChain(t, origin, { store, flags })
  const other = await TestProxy.start(`http://127.0.0.1:${origin.port}`, { store, flags })
  t.after(() => other.close())
  const first = ask({ key: 'k' })
  await eventually('the first at the origin', () => peers.length === 1)
  store.nowMs += 10_001
  const client = await Peer.connect(other.port)
  t.after(() => client.socket.destroy())
  client.send(post({ key: 'k' }))
  await eventually('the second at the origin', () => peers.length === 2)
  peers[0]!.send(ok('first'))
  assert.equal((await first).body, 'first')
  assert.deepEqual(store.counts(), { dispatched: 1 })
  assert.equal(proxy.complaints.length, 1, 'the loss of the claim is told')
  peers[1]!.send(ok('second'))
  assert.equal((await client.message()).body, 'second')
  assert.equal((await ask({ key: 'k' })).body, 'second')
})

test('a claim that is lost before anything was sent sends nothing', async (t) => {
  const store = new ModelStore()
  const { ask, origin } = await keyedChain(t, await Origin.answering(() => ok('x')), { store })
  store.around = (operation) => {
    // Between the claim and the dispatch, for longer than the lease.
    if (operation === 'dispatch') store.nowMs += 10_001
    return undefined
  }
  const lost = await ask({ key: 'k' })
  assert.equal(lost.status, 409)
  assert.equal(problem(lost.body).code, 'idempotency_in_flight')
  assert.equal(origin.requests.length, 0)
  store.around = undefined
  assert.equal((await ask({ key: 'k' })).body, 'x')
})

test('a process that died before the dispatch leaves a key that is free after the lease', async (t) => {
  const { ask, store, origin } = await keyedChain(t, await Origin.answering(() => ok('x')), {
    flags: { 'idempotency.waitMs': '0' },
  })
  await ask({ key: 'k' })
  const kept = [...store.records.values()][0]!
  kept.state = 'claimed'
  kept.leaseUntilMs = store.nowMs + 1000
  assert.equal((await ask({ key: 'k' })).status, 409)
  store.nowMs += 1000
  assert.equal((await ask({ key: 'k' })).body, 'x')
  assert.equal(origin.requests.length, 2)
})
