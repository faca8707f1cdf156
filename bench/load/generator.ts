/**
 * The load generator: one process, raw sockets, one request at a time on each connection. Open loop at a fixed rate
 * (see sender.ts), or a closed loop where wrk is missing. Prints one {@link LoadResult} as JSON.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { REQUEST_HEADERS } from '../workloads.ts'
import { Histogram } from './histogram.ts'
import { punctual } from './punctual.ts'
import { ResponseReader } from './response-reader.ts'
import {
  CONTROL_CELLS,
  DEAD,
  FINISHED,
  FREE,
  FREED,
  type LoadOrder,
  type LoadResult,
  monotonicUs,
  SENT,
  type SenderData,
  START,
  TIMING_CELLS,
} from './shared.ts'

const order = JSON.parse(process.argv[2] ?? '{}') as LoadOrder
const request = `GET ${order.path} HTTP/1.1\r\nHost: 127.0.0.1:${order.port}\r\n${REQUEST_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
const histogram = new Histogram()
const readers: ResponseReader[] = []
const state = new Int32Array(new SharedArrayBuffer(4 * order.connections))
const dueUs = new Float64Array(new SharedArrayBuffer(8 * order.connections))
const timing = new Float64Array(new SharedArrayBuffer(8 * TIMING_CELLS))
const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_CELLS))

let answered = 0
/** Requests at the rate whose times are not taken: the compilers of both sides are not done at first. */
const LEAD_IN_SECONDS = 0.5

/** Connections that all share one read buffer, since a read is consumed before the next. */
async function openConnections(onResponse: (index: number, socket: Socket) => void): Promise<Socket[]> {
  const buffer = Buffer.allocUnsafe(256 * 1024)
  const sockets = Array.from({ length: order.connections }, (_, index) => {
    const reader = new ResponseReader()
    readers.push(reader)
    const socket = connect({
      port: order.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          if (reader.take(buffer.subarray(0, length))) onResponse(index, socket)
          return true
        },
      },
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      Atomics.store(state, index, DEAD)
      Atomics.add(control, FREED, 1)
    })
    return socket
  })
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  return sockets
}

/** The descriptor of a connected socket, which Node shows nowhere public; the sending thread writes to it. */
function descriptorOf(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd
  if (fd === undefined || fd < 0) throw new Error('this Node gives no descriptor of a socket')
  return fd
}

async function openLoop(): Promise<LoadResult> {
  const leadIn = Math.round(LEAD_IN_SECONDS * order.perSecond)
  const total = leadIn + order.seconds * order.perSecond
  const intervalUs = 1e6 / order.perSecond
  const latenciesUs = new Uint32Array(total)
  const sockets = await openConnections((index) => {
    answered++
    const due = dueUs[index]!
    latenciesUs[Math.round((due - timing[START]!) / intervalUs)] = Math.max(1, monotonicUs() - due)
    Atomics.store(state, index, FREE)
    Atomics.add(control, FREED, 1)
    Atomics.notify(control, FREED, 1)
  })
  const sendDelayUs = new Uint32Array(new SharedArrayBuffer(4 * total))
  const data: SenderData = {
    fds: sockets.map(descriptorOf),
    request,
    total,
    intervalUs,
    state: state.buffer as SharedArrayBuffer,
    dueUs: dueUs.buffer as SharedArrayBuffer,
    timing: timing.buffer as SharedArrayBuffer,
    control: control.buffer as SharedArrayBuffer,
    sendDelayUs: sendDelayUs.buffer as SharedArrayBuffer,
  }
  await once(new Worker(new URL('./sender.js', import.meta.url), { workerData: data }), 'exit')
  if (control[FINISHED] !== 1) throw new Error('the sending thread failed')
  const drainUntil = monotonicUs() + 3e6
  while (answered < control[SENT]! && monotonicUs() < drainUntil) await sleep(1)
  const durationUs = monotonicUs() - timing[START]!
  for (const socket of sockets) socket.destroy()
  const end = Math.max(leadIn, control[SENT]!)
  const times = { delaysUs: sendDelayUs.subarray(leadIn, end), latenciesUs: latenciesUs.subarray(leadIn, end) }
  const { latenciesUs: sorted, share } = punctual(times, order.perSecond)
  const percentile = (part: number): number => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
  return resultOf(total, durationUs, percentile, share)
}

async function closedLoop(): Promise<LoadResult> {
  const endUs = monotonicUs() + order.seconds * 1e6
  let sent = 0
  const send = (index: number, socket: Socket): void => {
    dueUs[index] = monotonicUs()
    sent++
    socket.write(request, 'latin1')
  }
  const sockets = await openConnections((index, socket) => {
    const now = monotonicUs()
    answered++
    histogram.add(now - dueUs[index]!)
    if (now < endUs) send(index, socket)
  })
  const startUs = monotonicUs()
  sockets.forEach((socket, index) => {
    send(index, socket)
  })
  await sleep(order.seconds * 1000)
  const drainUntil = monotonicUs() + 3e6
  while (answered < sent && monotonicUs() < drainUntil) await sleep(5)
  const durationUs = monotonicUs() - startUs
  for (const socket of sockets) socket.destroy()
  return resultOf(sent, durationUs, (part) => histogram.percentile(part), 1)
}

function resultOf(
  due: number,
  durationUs: number,
  percentile: (part: number) => number,
  punctualShare: number,
): LoadResult {
  const notOk = readers.reduce((sum, reader) => sum + reader.failed, 0)
  const cpu = process.cpuUsage()
  return {
    requests: answered,
    failed: due - answered + notOk,
    durationUs,
    p50Us: percentile(0.5),
    p90Us: percentile(0.9),
    p99Us: percentile(0.99),
    punctualShare,
    generatorBusy: (cpu.user + cpu.system) / durationUs,
  }
}

console.log(JSON.stringify(order.perSecond > 0 ? await openLoop() : await closedLoop()))
