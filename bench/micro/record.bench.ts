/** What a finished exchange costs the data thread as a record, without and with its header sections, and its copy in a mapped file. */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nowUs } from '../../src/core/clock.ts'
import type { HeaderBlock } from '../../src/core/headers.ts'
import { knownId } from '../../src/core/known-names.ts'
import { RequestHead, ResponseHead } from '../../src/core/message.ts'
import { type ConnectionInfo, Exchange } from '../../src/exchange/exchange.ts'
import type { Downstream } from '../../src/exchange/ports.ts'
import { EXCHANGE, F_TRIGGER } from '../../src/telemetry/record-layout.ts'
import { detailRedaction } from '../../src/telemetry/recorder/details.ts'
import { MappedRing } from '../../src/telemetry/recorder/mapped-ring.ts'
import { RECORDER_DEFAULTS, type Sections } from '../../src/telemetry/recorder/options.ts'
import { openRing, RingWriter } from '../../src/telemetry/ring.ts'
import { SpanRecorder } from '../../src/telemetry/span-record.ts'
import { REQUEST_HEADERS } from '../workloads.ts'
import type { MicroBench } from './harness.ts'

const GET = 1
const RESPONSE_HEADERS = [
  ['content-type', 'application/json'],
  ['content-length', '1024'],
  ['date', 'Sat, 21 Nov 2026 18:00:00 GMT'],
  ['server', 'nginx'],
] as const
type Fields = readonly (readonly [string, string])[]

const wireOf = (fields: Fields): Buffer => Buffer.from(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(''))

/** As the parsers fill it: the text of a head is a new string each time. */
function fill(block: HeaderBlock, fields: Fields, wire: Buffer, pairs: boolean): void {
  block.reset()
  let at = 0
  for (const [name, value] of fields) {
    const id = knownId(name as never) ?? 0
    if (pairs) block.pushPair(name, value, id, false)
    else block.push(at, at + name.length, at + name.length + 2, at + name.length + 2 + value.length, id, true)
    at += name.length + value.length + 4
  }
  if (!pairs) block.seal(wire.toString('latin1'))
}

function exchange(): Exchange {
  const request = new RequestHead()
  request.method = 'GET'
  request.path = '/orders/7?page=2'
  request.host = 'shop.example'
  const peer = { address: '192.0.2.7', port: 40_000 }
  const info = { id: 1, direction: 'edge', peer, local: peer, originalDestination: undefined, scheme: 'http', fd: -1 }
  const x = new Exchange(info as unknown as ConnectionInfo, request, {} as Downstream)
  x.requestId = '0123456789abcdef'
  x.trace = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), parentSpanId: '', flags: 1, state: '' }
  x.response = new ResponseHead()
  x.response.status = 200
  x.timing.startUs = nowUs()
  x.timing.finishUs = x.timing.startUs + 1000
  return x
}

const requestWire = wireOf(REQUEST_HEADERS)
const responseWire = wireOf(RESPONSE_HEADERS)
const phases = new Float64Array(7).fill(10)

function bench(name: string, sections: Sections, pairs: boolean, flags = 0): MicroBench {
  const ring = new RingWriter(openRing(4 * 1024 * 1024))
  const recorder = new SpanRecorder(ring, undefined, sections)
  const x = exchange()
  return {
    name,
    run: () => {
      fill(x.request.headers, REQUEST_HEADERS, requestWire, pairs)
      fill(x.response!.headers, RESPONSE_HEADERS, responseWire, pairs)
      return recorder.write(x, GET, phases, flags) ? 1 : 0
    },
  }
}

function masked(): MicroBench {
  const ring = new RingWriter(openRing(65_536))
  const x = exchange()
  fill(x.request.headers, REQUEST_HEADERS, requestWire, false)
  fill(x.response!.headers, RESPONSE_HEADERS, responseWire, false)
  new SpanRecorder(ring, undefined, 'all').write(x, GET, phases, 0)
  const path = join(tmpdir(), `hopscope-bench-${randomUUID()}`)
  const file = new MappedRing({ path, bytes: 4 * 1024 * 1024, processes: 1 }, detailRedaction(RECORDER_DEFAULTS, []))
  // The mapping stays.
  for (const name of [path, `${path}.lock`]) rmSync(name)
  let found = [0, 0]
  ring.walkBack((at, words, kind) => {
    found = [at, words]
    return kind !== EXCHANGE
  })
  const [at = 0, words = 0] = found
  return {
    name: 'copied into a mapped file, by the telemetry thread',
    run: () => {
      file.write(ring.memory, at, words, EXCHANGE, undefined)
      return 1
    },
  }
}

export const benches: readonly MicroBench[] = [
  bench('HTTP/1, without header sections', 'off', false),
  bench('HTTP/1, with them', 'auto', false),
  bench('HTTP/2, without header sections', 'off', true),
  bench('HTTP/2, auto, all well', 'auto', true),
  bench('HTTP/2, auto, failed', 'auto', true, F_TRIGGER),
  ...(process.platform === 'linux' ? [masked()] : []),
]
