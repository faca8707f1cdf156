/**
 * The sending thread of the fixed-rate generator. Timers of an event loop count in milliseconds, five requests at
 * 5,000 a second; a thread that sleeps in Atomics.wait wakes to some 60 µs and writes to the sockets itself.
 * It waits for no response: when all connections are busy the request keeps its due time and goes on the next free one.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { BUSY, FINISHED, FREE, FREED, monotonicUs, NEVER, SENT, type SenderData, START } from './shared.ts'

const data = workerData as SenderData
const state = new Int32Array(data.state)
const dueUs = new Float64Array(data.dueUs)
const timing = new Float64Array(data.timing)
const control = new Int32Array(data.control)
const sendDelayUs = new Uint32Array(data.sendDelayUs)
const request = Buffer.from(data.request, 'latin1')
/** The kernel may be this late in waking us; what is left of it is spent spinning. */
const SLACK_US = 60

function waitUntil(us: number): void {
  let left = us - monotonicUs()
  if (left > SLACK_US + 10) {
    Atomics.wait(control, NEVER, 0, (left - SLACK_US) / 1000)
    left = us - monotonicUs()
  }
  while (left > 0) left = us - monotonicUs()
}

let cursor = 0

/** Next free connection in turn, or -1 when none got free before the deadline. */
function takeConnection(): number {
  for (;;) {
    const freed = Atomics.load(control, FREED)
    for (let i = 0; i < state.length; i++) {
      cursor = cursor + 1 === state.length ? 0 : cursor + 1
      if (Atomics.load(state, cursor) === FREE) return cursor
    }
    if (monotonicUs() > deadlineUs) return -1
    Atomics.wait(control, FREED, freed, 100)
  }
}

const startUs = monotonicUs() + 1000
timing[START] = startUs
/** A rate that is not held is given up, not made up for, two seconds after the last request was due. */
const deadlineUs = startUs + data.total * data.intervalUs + 2e6
for (let i = 0; i < data.total; i++) {
  const due = startUs + i * data.intervalUs
  waitUntil(due)
  const delay = monotonicUs() - due
  if (due + delay > deadlineUs) break
  sendDelayUs[i] = Math.max(0, delay)
  const connection = takeConnection()
  if (connection === -1) break
  dueUs[connection] = due
  Atomics.store(state, connection, BUSY)
  try {
    writeSync(data.fds[connection]!, request)
  } catch {
    // The reading thread sees the same connection fail and counts it.
  }
  Atomics.add(control, SENT, 1)
}
Atomics.store(control, FINISHED, 1)
