/** Export requests as a sidecar sends them, made fast: a template whose ids and times are written over for each. */
import { randomFillSync } from 'node:crypto'
import { MessageWriter } from '../../src/core/protobuf.ts'

const text = (value: string): MessageWriter => new MessageWriter().string(1, value)
const int = (value: number): MessageWriter => new MessageWriter().integer(3, value)
const attribute = (key: string, value: MessageWriter): MessageWriter =>
  new MessageWriter().string(1, key).message(2, value)

const TRACE = Buffer.from('f1'.repeat(16), 'hex')
const SPAN = Buffer.from('f2'.repeat(8), 'hex')
const PARENT = Buffer.from('f3'.repeat(8), 'hex')
const START = Buffer.from('f4f5f6f7f8f90a0b', 'hex')
const END = Buffer.from('f4f5f6f7f8f90a0c', 'hex')
const REQUEST_ID = 'rrrrrrrr-rrrr-4rrr-8rrr-rrrrrrrrrrrr'

/** Spans of a trace: each service has a SERVER span and, but for the last, a CLIENT span to the next. */
const CHAIN = ['web', 'cart', 'orders', 'stock', 'payments']
export const SPANS_PER_TRACE = CHAIN.length * 2 - 1

function span(client: boolean, to: string, index: number): MessageWriter {
  const message = new MessageWriter()
    .bytes(1, TRACE)
    .bytes(2, SPAN)
    .bytes(4, PARENT)
    .string(5, index % 3 === 0 ? 'POST' : 'GET')
  message.integer(6, client ? 3 : 2)
  message.encoded(Buffer.concat([Buffer.from([0x39]), START])).encoded(Buffer.concat([Buffer.from([0x41]), END]))
  const failed = index % 97 === 0
  const attributes: readonly (readonly [string, MessageWriter])[] = [
    ['http.request.method', text(index % 3 === 0 ? 'POST' : 'GET')],
    ['network.protocol.version', text('1.1')],
    ['http.response.status_code', int(failed ? 503 : 200)],
    ['url.scheme', text('http')],
    ['url.path', text(`/${to}/${index % 40}/items/${1000 + index}`)],
    ['server.address', text(`${to}.shop.svc.cluster.local`)],
    ['server.port', int(8080)],
    ['client.address', text(`10.2.3.${index % 250}`)],
    ['network.peer.address', text(`10.2.3.${index % 250}`)],
    ['network.peer.port', int(30_000 + index)],
    ['user_agent.original', text('Mozilla/5.0 (X11; Linux x86_64) like Gecko')],
    [
      'http.request.header.x-request-id',
      new MessageWriter().message(5, new MessageWriter().message(1, text(REQUEST_ID))),
    ],
    ['hopscope.direction', text(client ? 'outbound' : 'inbound')],
    ['hopscope.phase.send_us', int(11)],
    ['hopscope.phase.wait_us', int(900 + index)],
    ['hopscope.phase.receive_us', int(40)],
    ['hopscope.self_us', int(21)],
    ['hopscope.connection.reused', new MessageWriter().integer(2, 1)],
  ]
  for (const [key, value] of attributes) message.message(9, attribute(key, value))
  if (failed) message.message(15, new MessageWriter().integer(3, 2))
  return message.fixed32(16, 0x101)
}

interface Slot {
  readonly trace: number
  readonly span: number
  readonly parent: number
  readonly start: number
  readonly end: number
  readonly requestId: number
}

/** Makes requests of whole traces, one ResourceSpans a service. */
export class SpanSource {
  readonly spans: number
  readonly bytes: number
  readonly #template: Buffer
  readonly #slots: Slot[][]
  readonly #random = Buffer.alloc(64 * 1024)
  #at = 0

  constructor(traces: number) {
    const request = new MessageWriter()
    CHAIN.forEach((service, hop) => {
      const resource = new MessageWriter()
        .message(1, attribute('service.name', text(service)))
        .message(1, attribute('host.name', text(`node-${hop % 3}`)))
        .message(1, attribute('service.instance.id', text(`${service}-7d4b9c.17`)))
      const scope = new MessageWriter().message(1, new MessageWriter().string(1, 'hopscope').string(2, '0.1.0'))
      for (let trace = 0; trace < traces; trace++) {
        scope.message(2, span(false, service, trace))
        if (hop + 1 < CHAIN.length) scope.message(2, span(true, CHAIN[hop + 1]!, trace))
      }
      request.message(1, new MessageWriter().message(1, resource).message(2, scope))
    })
    this.#template = request.finish()
    this.spans = traces * SPANS_PER_TRACE
    this.bytes = this.#template.length
    this.#slots = slotsOf(this.#template, traces)
    randomFillSync(this.#random)
  }

  /** A request whose traces start at `startNs` and a millisecond apart; a new buffer each time. */
  next(startNs: bigint): Buffer {
    const bytes = Buffer.from(this.#template)
    this.#slots.forEach((slots, trace) => {
      const at = this.#draw(16 + 8 * SPANS_PER_TRACE)
      const id = this.#random.subarray(at, at + 16)
      const begin = startNs + BigInt(trace) * 1_000_000n
      slots.forEach((slot, hop) => {
        bytes.set(id, slot.trace)
        bytes.set(this.#random.subarray(at + 16 + hop * 8, at + 24 + hop * 8), slot.span)
        if (hop > 0) bytes.set(this.#random.subarray(at + 8 + hop * 8, at + 16 + hop * 8), slot.parent)
        else bytes.fill(0, slot.parent, slot.parent + 8)
        bytes.writeBigUInt64LE(begin + BigInt(hop * 20_000), slot.start)
        bytes.writeBigUInt64LE(begin + BigInt(2_000_000 - hop * 20_000 + trace * 1000), slot.end)
        bytes.write(id.toString('hex', 0, 4), slot.requestId, 'latin1')
      })
    })
    return bytes
  }

  #draw(length: number): number {
    if (this.#at + length > this.#random.length) {
      randomFillSync(this.#random)
      this.#at = 0
    }
    this.#at += length
    return this.#at - length
  }
}

/** Places by trace and hop, in the order of the chain. */
function slotsOf(template: Buffer, traces: number): Slot[][] {
  const all = (needle: Buffer): number[] => {
    const found: number[] = []
    for (let at = template.indexOf(needle); at >= 0; at = template.indexOf(needle, at + 1)) found.push(at)
    return found
  }
  const [trace, span, parent, start, end] = [TRACE, SPAN, PARENT, START, END].map(all)
  const requestId = all(Buffer.from(REQUEST_ID))
  const slots: Slot[][] = Array.from({ length: traces }, () => [])
  let index = 0
  for (let hop = 0; hop < CHAIN.length; hop++) {
    const perTrace = hop + 1 < CHAIN.length ? 2 : 1
    for (let one = 0; one < traces; one++) {
      for (let i = 0; i < perTrace; i++, index++) {
        slots[one]!.push({
          trace: trace![index]!,
          span: span![index]!,
          parent: parent![index]!,
          start: start![index]!,
          end: end![index]!,
          requestId: requestId[index]!,
        })
      }
    }
  }
  return slots
}
