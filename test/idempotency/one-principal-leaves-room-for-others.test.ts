import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Replays } from '../../src/stages/idempotency/replays.ts'
import { SharedBudget } from '../../src/stages/idempotency/shared-budget.ts'
import { field, Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { keyedChain, post } from './support.ts'

const LARGE = 1_000_000

test('a principal with a hundred large answers under way leaves room to keep the answers of others', async (t) => {
  const held: Peer[] = []
  const origin = await Origin.start(async (peer) => {
    const head = await peer.head()
    await peer.take(Number(field(head, 'content-length')))
    if (field(head, 'authorization') === 'Bearer bob') {
      peer.send(ok('y'.repeat(LARGE)))
      return
    }
    // All but the last byte.
    peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n${'x'.repeat(LARGE - 1)}`)
    held.push(peer)
  })
  const { ask, proxy } = await keyedChain(t, origin)
  const greedy: Peer[] = []
  t.after(() => {
    for (const peer of greedy) peer.socket.destroy()
  })
  for (let i = 0; i < 100; i++) {
    const peer = await Peer.connect(proxy.port)
    greedy.push(peer)
    peer.send(post({ key: `k${i}`, authorization: 'Bearer alice' }))
    await eventually('its answer on the way', () => held.length > i && peer.unread.length >= LARGE)
  }
  const bob = { key: 'k', authorization: 'Bearer bob' }
  assert.equal((await ask(bob)).body.length, LARGE)
  const again = await ask(bob)
  assert.equal(again.status, 200)
  assert.equal(field(again, 'idempotent-replayed'), 'true')
})

test('one holding may have all; several together three quarters, and less where others have some', () => {
  const budget = new SharedBudget(100)
  const alone = budget.open('alice')
  assert.ok(budget.take(alone, 100))
  assert.equal(budget.take(alone, 1), false, 'there is no more')
  budget.close(alone, 100)
  const [first, second] = [budget.open('alice'), budget.open('alice')]
  assert.ok(budget.take(first, 70) && budget.take(second, 5))
  assert.equal(budget.take(second, 1), false)
  const bob = budget.open('bob')
  assert.ok(budget.take(bob, 12))
  budget.close(first, 70)
  budget.close(second, 5)
  budget.close(bob, 12)
  assert.ok(budget.take(budget.open('carol'), 100), 'all was given back')
})

test('readers of one principal who take nothing leave room for what others are given again', () => {
  const replays = new Replays(1_000_000)
  const body = Buffer.alloc(100_000)
  const copy = { status: 200, headers: '', body, bodyBytes: body.length, trailers: '', completedMs: 1 }
  const lent = Array.from({ length: 10 }, (_, i) => replays.lend(`a${i}`, 'alice', copy))
  assert.equal(lent.filter((loan) => loan !== undefined).length, 7)
  assert.ok(replays.lend('b', 'bob', copy))
})
