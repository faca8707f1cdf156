import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { openRing, RingReader, RingWriter } from '../../src/telemetry/ring.ts'

/** Write a record of `words` that a reader can check; false: full. */
function write(ring: RingWriter, sequence: number, words: number): boolean {
  const at = ring.reserve(words)
  if (at < 0) return false
  ring.memory.float64[at + 1] = sequence
  for (let i = 2; i < words; i++) ring.memory.float64[at + i] = sequence + i
  ring.commit(at, words, 1 + (sequence % 7))
  return true
}

test('records of a million writes come whole, in order and once, across two threads; a full ring refuses', async () => {
  const memory = openRing(65_536)
  const ring = new RingWriter(memory)
  ring.attach()
  const worker = new Worker(new URL('./ring-consumer.js', import.meta.url), { workerData: memory.shared })
  await once(worker, 'online')
  let written = 0
  let refused = 0
  for (let sequence = 0; sequence < 1_000_000; sequence++) {
    if (write(ring, sequence, 2 + ((sequence * 7919) % 90))) written++
    else refused++
    if (sequence % 200 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const report = once(worker, 'message')
  worker.postMessage('end')
  const [{ records, fault }] = (await report) as [{ records: number; fault: string }]
  assert.equal(fault, '')
  assert.equal(records, written)
  assert.equal(written + refused, 1_000_000)
  assert.ok(refused > 0 && written > 1000, `${written} written, ${refused} refused`)
})

test('any interleaving of writes and reads gives a queue that loses nothing it took', () => {
  const step = fc.oneof(
    fc.record({ write: fc.integer({ min: 2, max: 200 }) }),
    fc.record({ read: fc.integer({ min: 0, max: 20 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const ring = new RingWriter(openRing(4096))
      ring.attach()
      const reader = new RingReader(ring.memory)
      const expected: number[] = []
      let sequence = 0
      for (const action of steps) {
        if ('write' in action) {
          if (write(ring, sequence, action.write)) expected.push(sequence)
          sequence++
        } else {
          reader.drain((at) => assert.equal(ring.memory.float64[at + 1], expected.shift()), action.read)
        }
      }
      reader.drain((at) => assert.equal(ring.memory.float64[at + 1], expected.shift()))
      assert.equal(expected.length, 0)
      assert.equal(ring.pendingBytes, 0)
    }),
    { numRuns: 500 },
  )
})

test('history: walking back gives the newest records, whole, as far as they were not overwritten', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 2, max: 120 }), { minLength: 1, maxLength: 200 }), (sizes) => {
      const ring = new RingWriter(openRing(8192))
      sizes.forEach((words, sequence) => {
        assert.ok(write(ring, sequence, words))
      })
      let expected = sizes.length - 1
      ring.walkBack((at, words, kind) => {
        assert.equal(ring.memory.float64[at + 1], expected)
        assert.equal(words, sizes[expected])
        assert.equal(kind, 1 + (expected % 7))
        for (let i = 2; i < words; i++) assert.equal(ring.memory.float64[at + i], expected + i)
        expected--
        return true
      })
      const seen = sizes.length - 1 - expected
      const total = sizes.reduce((sum, words) => sum + words, 0)
      assert.ok(seen >= Math.min(sizes.length, 1))
      if (total < 1024 / 2) assert.equal(seen, sizes.length)
    }),
    { numRuns: 500 },
  )
})
