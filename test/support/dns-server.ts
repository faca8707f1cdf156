/** A real DNS server on UDP, as small as tests need it: one A record for every name, late or never (RFC 1035 §4). */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** How the next questions are answered. */
export interface DnsBehaviour {
  readonly address: string
  readonly ttlS: number
  readonly delayMs: number
  /** `silent`: not at all; `unknown`: NXDOMAIN. */
  readonly answer: 'address' | 'silent' | 'unknown'
}

const TYPE_A = 1
const HEADER_BYTES = 12
const RESPONSE = 0x8580
const NXDOMAIN = 3

export class DnsServer {
  readonly #socket: Socket
  behaviour: DnsBehaviour = { address: '127.0.0.1', ttlS: 60, delayMs: 0, answer: 'address' }
  /** When questions for an address came, monotonic milliseconds. */
  readonly asked: number[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (question, from) => this.#question(question, from))
  }

  static async start(port = 0): Promise<DnsServer> {
    const socket = createSocket('udp4')
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsServer(socket)
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  #question(question: Buffer, from: RemoteInfo): void {
    const { answer, delayMs } = this.behaviour
    const end = question.indexOf(0, HEADER_BYTES) + 5
    const wanted = question.readUInt16BE(end - 4)
    if (wanted === TYPE_A) this.asked.push(performance.now())
    if (answer === 'silent') return
    const reply = this.#reply(question, end, wanted)
    setTimeout(() => {
      if (this.#open) this.#socket.send(reply, from.port, from.address)
    }, delayMs)
  }

  #reply(question: Buffer, end: number, wanted: number): Buffer {
    const { address, ttlS, answer } = this.behaviour
    const head = Buffer.from(question.subarray(0, end))
    const found = answer === 'address' && wanted === TYPE_A
    head.writeUInt16BE(RESPONSE | (answer === 'unknown' ? NXDOMAIN : 0), 2)
    head.writeUInt16BE(found ? 1 : 0, 6)
    head.writeUInt32BE(0, 8)
    if (!found) return head
    const record = Buffer.alloc(16)
    record.writeUInt16BE(0xc000 | HEADER_BYTES, 0)
    record.writeUInt16BE(TYPE_A, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(ttlS, 6)
    record.writeUInt16BE(4, 10)
    for (const [at, part] of address.split('.').entries()) record[12 + at] = Number(part)
    return Buffer.concat([head, record])
  }

  #open = true

  close(): void {
    this.#open = false
    this.#socket.close()
  }
}
