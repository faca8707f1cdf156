/** The telemetry thread looks back over records that the data thread is about to overwrite: it never takes a torn one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { openRing, RingWriter } from '../../src/telemetry/ring.ts'

test('records that are taken for intact are, while the writer goes round and round', async () => {
  const memory = openRing(1 << 20)
  const ring = new RingWriter(memory)
  ring.attach()
  const worker = new Worker(new URL('./history-consumer.js', import.meta.url), { workerData: memory.shared })
  await once(worker, 'online')
  let written = 0
  const until = performance.now() + 700
  for (let sequence = 1; performance.now() < until; sequence++) {
    const words = 2 + ((sequence * 7919) % 120)
    const at = ring.reserve(words)
    if (at >= 0) {
      ring.memory.float64[at + 1] = sequence
      for (let i = 2; i < words; i++) ring.memory.float64[at + i] = sequence + i
      ring.commit(at, words, 1)
      written++
    }
    if (sequence % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const report = once(worker, 'message')
  worker.postMessage('end')
  const [{ intact, fault }] = (await report) as [{ intact: number; fault: string }]
  assert.equal(fault, '')
  assert.ok(written > 10_000 && intact > 10_000, `${written} written, ${intact} read`)
})
