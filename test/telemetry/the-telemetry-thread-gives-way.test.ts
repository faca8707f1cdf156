import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRing, RingReader, RingWriter } from '../../src/telemetry/ring.ts'
import { takeTurn } from '../../src/telemetry/turns.ts'

const WORDS = 4

/** A ring with `records` written, and turns over it that count what is handed out and how often way was given. */
function ringWith(records: number, bytes: number, giveWayMs: () => number = () => 0) {
  const ring = new RingWriter(openRing(bytes))
  ring.attach()
  const write = (count: number): void => {
    for (let i = 0; i < count; i++) ring.commit(ring.reserve(WORDS), WORDS, 1)
  }
  write(records)
  const seen = { records: 0, asked: 0 }
  const giveWay = (): number => {
    seen.asked++
    return giveWayMs()
  }
  const reader = new RingReader(ring.memory)
  const take = () => takeTurn(reader, () => seen.records++, giveWay)
  return { take, seen, write }
}

test('a turn is 256 records, in portions of 8 after which who waits for the core goes first', () => {
  const { take, seen } = ringWith(300, 65_536)
  assert.equal(take(), 'pause')
  assert.deepEqual(seen, { records: 256, asked: 32 })
  assert.equal(take(), 'empty')
  assert.deepEqual(seen, { records: 300, asked: 37 })
})

test('who keeps the core long is asked once a turn', () => {
  const { take, seen } = ringWith(520, 65_536, () => 1.5)
  assert.equal(take(), 'pause')
  assert.deepEqual(seen, { records: 256, asked: 1 })
  assert.equal(take(), 'pause')
  assert.deepEqual(seen, { records: 512, asked: 2 })
  assert.equal(take(), 'empty')
  assert.deepEqual(seen, { records: 520, asked: 3 })
})

test('nobody is asked, and there is no pause, while half of the ring or more is full', () => {
  const { take, seen } = ringWith(4000, 131_072)
  assert.equal(take(), 'hurry')
  assert.deepEqual(seen, { records: 256, asked: 0 })
  for (let turn = 0; turn < 8; turn++) take()
  assert.deepEqual(seen, { records: 9 * 256, asked: 32 }, 'the last turn began with less')
})

test('records that come while another thread has the core are in the same turn', () => {
  let left = 10
  const ring: ReturnType<typeof ringWith> = ringWith(16, 65_536, () => {
    if (left-- > 0) ring.write(8)
    return 0.9
  })
  assert.equal(ring.take(), 'empty')
  assert.deepEqual(ring.seen, { records: 96, asked: 12 })
})
