/** Reads what is behind it in a ring that another thread goes on writing to, and checks each record that it takes for intact. */
import { parentPort, workerData } from 'node:worker_threads'
import { openRing, RingReader } from '../../src/telemetry/ring.ts'

const memory = openRing(workerData as SharedArrayBuffer)
const reader = new RingReader(memory)
const copy = new Float64Array(128)
const found = { intact: 0, overwritten: 0, fault: '' }
let going = true

function check(words: number): void {
  const sequence = copy[1]!
  for (let i = 2; i < words; i++)
    if (copy[i] !== sequence + i) found.fault ||= `record ${sequence} is torn at word ${i}`
  found.intact++
}

function turn(): void {
  reader.drain(() => {})
  reader.walkBack((at, words, _kind, position) => {
    copy.set(memory.float64.subarray(at, at + words))
    if (reader.isIntact(position)) check(words)
    else found.overwritten++
    return true
  })
  if (going) setImmediate(turn)
  else {
    parentPort!.postMessage(found)
    parentPort!.close()
  }
}

parentPort!.on('message', () => {
  going = false
})
turn()
