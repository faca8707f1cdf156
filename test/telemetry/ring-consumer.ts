/** A consumer of the ring in a thread of its own: checks that records come whole and in order, then reports. */
import { parentPort, workerData } from 'node:worker_threads'
import { openRing, RingReader } from '../../src/telemetry/ring.ts'

const memory = openRing(workerData as SharedArrayBuffer)
const reader = new RingReader(memory)
let last = -1
let records = 0
let fault = ''

function onRecord(at: number, words: number, kind: number): void {
  const sequence = memory.float64[at + 1]!
  for (let i = 2; i < words; i++) {
    if (memory.float64[at + i] !== sequence + i) fault ||= `record ${sequence} is torn at word ${i}`
  }
  if (sequence <= last) fault ||= `record ${sequence} after ${last}`
  if (kind !== 1 + (sequence % 7)) fault ||= `record ${sequence} has kind ${kind}`
  last = sequence
  records++
}

const timer = setInterval(() => reader.drain(onRecord, 500), 1)
parentPort!.on('message', () => {
  clearInterval(timer)
  reader.drain(onRecord)
  parentPort!.postMessage({ records, fault, last })
  parentPort!.close()
})
