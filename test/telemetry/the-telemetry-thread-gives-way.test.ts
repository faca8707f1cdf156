import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRing, RingReader, RingWriter } from '../../src/telemetry/ring.ts'
import { Turns } from '../../src/telemetry/turns.ts'

const WORDS = 4

/** A ring with `records` written, and turns over it that count who is asked and what is handed out. */
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
  const turns = new Turns(new RingReader(ring.memory), () => seen.records++, giveWay)
  return { turns, seen, write }
}

test('a turn is 256 records, in portions of 8 after which who waits for the core goes first', () => {
  const { turns, seen } = ringWith(300, 65_536)
  assert.equal(turns.take(), 'pause')
  assert.deepEqual(seen, { records: 256, asked: 32 })
  assert.equal(turns.take(), 'empty')
  assert.deepEqual(seen, { records: 300, asked: 37 })
})

test('who keeps the core long is not asked again before the ring is empty', () => {
  const { turns, seen, write } = ringWith(520, 65_536, () => 1.5)
  assert.equal(turns.take(), 'pause')
  assert.equal(turns.take(), 'pause')
  assert.deepEqual(seen, { records: 512, asked: 1 })
  assert.equal(turns.take(), 'empty')
  assert.deepEqual(seen, { records: 520, asked: 1 })
  write(8)
  assert.equal(turns.take(), 'empty')
  assert.deepEqual(seen, { records: 528, asked: 2 })
})

test('nobody is asked, and there is no pause, while half of the ring or more is full', () => {
  // 1,024 words: 256 records of 4 are all of it.
  const { turns, seen, write } = ringWith(256, 8192)
  assert.equal(turns.take(), 'pause', 'all was taken in one turn')
  assert.deepEqual(seen, { records: 256, asked: 0 })
  write(100)
  assert.equal(turns.take(), 'empty')
  assert.deepEqual(seen, { records: 356, asked: 0 }, 'until it has been empty')
  write(100)
  assert.equal(turns.take(), 'empty')
  assert.deepEqual(seen, { records: 456, asked: 12 })
  const large = ringWith(4000, 131_072)
  assert.equal(large.turns.take(), 'hurry')
  assert.deepEqual(large.seen, { records: 256, asked: 0 })
})

test('records that come while another thread has the core are in the same turn', () => {
  let left = 10
  const ring: ReturnType<typeof ringWith> = ringWith(16, 65_536, () => {
    if (left-- > 0) ring.write(8)
    return 0.9
  })
  assert.equal(ring.turns.take(), 'empty')
  assert.deepEqual(ring.seen, { records: 96, asked: 12 })
})
