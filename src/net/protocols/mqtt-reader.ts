/**
 * Packets of one direction of an MQTT connection. The fixed header (MQTT 5.0 §2.1) tells type and length; of a PUBLISH
 * only what stands before its payload is kept, and nothing at all of one that gets no reply.
 */

import type { IPublishPacket, Packet } from 'mqtt-packet'
import { copyOf } from '../../core/bytes.ts'
import type { MqttPackets } from './mqtt-packets.ts'
import { DOUBT, MORE, UnitReader } from './unit-reader.ts'

const PUBLISH = 3
const PUBACK = 4
const PUBREL = 6
const PUBCOMP = 7
const PINGREQ = 12
const PINGRESP = 13
const AUTH = 15

const MAX_LENGTH_BYTES = 4
const FIXED_BYTES = 1 + MAX_LENGTH_BYTES
/** Longest part of a packet that is looked at; of longer ones the packet id alone. */
const MAX_PACKET_BYTES = 4096

/** Packets that carry their id first and may be long: SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK. */
const LONG_WITH_ID: Readonly<Record<number, 'subscribe' | 'suback' | 'unsubscribe' | 'unsuback'>> = {
  8: 'subscribe',
  9: 'suback',
  10: 'unsubscribe',
  11: 'unsuback',
}
const ACKS: Readonly<Record<number, 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'>> = {
  4: 'puback',
  5: 'pubrec',
  6: 'pubrel',
  7: 'pubcomp',
}

export interface MqttSink {
  /** False: it does not fit here. */
  onPacket(packet: Packet, startUs: number, endUs: number): boolean
  /** A PUBLISH without its payload, of which there are `payloadBytes`. */
  onPublish(packet: IPublishPacket, payloadBytes: number, startUs: number): boolean
  /** A packet too long to be looked at; `id` is -1 where it has none. */
  onLong(cmd: string, id: number, startUs: number, endUs: number): boolean
}

export class MqttReader extends UnitReader {
  readonly #five: boolean
  readonly #packets: MqttPackets
  readonly #sink: MqttSink

  constructor(five: boolean, packets: MqttPackets, sink: MqttSink) {
    super(FIXED_BYTES + MAX_PACKET_BYTES)
    this.#five = five
    this.#packets = packets
    this.#sink = sink
  }

  protected skipped(): void {}

  protected unit(buf: Buffer, start: number, end: number): number {
    const first = buf[start]!
    let at = start + 1
    let length = 0
    for (let i = 0; ; i++) {
      if (i === MAX_LENGTH_BYTES) return DOUBT
      if (at >= end) return MORE
      const byte = buf[at++]!
      length += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) break
    }
    const type = first >> 4
    if (type === 0 || (type === AUTH && !this.#five)) return DOUBT
    const used =
      type === PUBLISH ? this.#publish(first, buf, at, end, length) : this.#other(first, buf, start, at, end, length)
    return used < 0 ? DOUBT : used === MORE ? MORE : used - start
  }

  /** Offset after what was used, {@link MORE} or {@link DOUBT}. */
  #other(first: number, buf: Buffer, start: number, at: number, end: number, length: number): number {
    const type = first >> 4
    if (length > MAX_PACKET_BYTES) return this.#long(type, buf, at, end, length)
    if (end < at + length) return MORE
    const packet = shortPacket(first, buf, at, length) ?? this.#packets.read(copyOf(buf, start, at + length))
    if (packet === undefined) return DOUBT
    return this.#sink.onPacket(packet, this.unitUs, this.readUs) ? at + length : DOUBT
  }

  #long(type: number, buf: Buffer, at: number, end: number, length: number): number {
    const cmd = LONG_WITH_ID[type] ?? (type === 1 ? 'connect' : this.#five ? (ACKS[type] ?? '') : undefined)
    if (cmd === undefined || type === PINGREQ || type === PINGRESP) return DOUBT
    if (end < at + 2) return MORE
    const id = type >= PUBACK && type <= 11 ? buf.readUInt16BE(at) : -1
    if (!this.#sink.onLong(cmd, id, this.unitUs, this.readUs)) return DOUBT
    this.skip = length - 2
    return at + 2
  }

  #publish(first: number, buf: Buffer, at: number, end: number, length: number): number {
    const qos = (first >> 1) & 3
    if (qos === 3 || length < 2) return DOUBT
    if (qos === 0) {
      this.skip = length
      return at
    }
    if (end < at + 2) return MORE
    const topicBytes = buf.readUInt16BE(at)
    let head = 2 + topicBytes + 2
    if (head > length) return DOUBT
    const properties = this.#five ? propertyBytes(buf, at + head, end, length - head) : 0
    if (properties < 0)
      return properties === TOO_SHORT ? (head > MAX_PACKET_BYTES ? this.#pass(at, length) : MORE) : DOUBT
    head += properties
    if (head > MAX_PACKET_BYTES) return this.#pass(at, length)
    if (end < at + head) return MORE
    const packet = this.#packets.read(withoutPayload(first, buf, at, head))
    if (packet?.cmd !== 'publish') return DOUBT
    if (!this.#sink.onPublish(packet, length - head, this.unitUs)) return DOUBT
    this.skip = length - head
    return at + head
  }

  /** A topic or properties beyond all bounds: its reply will find no partner. */
  #pass(at: number, length: number): number {
    this.skip = length
    return at
  }
}

const TOO_SHORT = -1
const WRONG = -2

/** Bytes of the properties at `buf[at…]` with their length before them. */
function propertyBytes(buf: Buffer, at: number, end: number, left: number): number {
  let length = 0
  for (let i = 0; i < MAX_LENGTH_BYTES; i++) {
    if (i >= left) return WRONG
    if (at + i >= end) return TOO_SHORT
    length += (buf[at + i]! & 0x7f) * 2 ** (7 * i)
    if (buf[at + i]! < 0x80) return i + 1 + length > left ? WRONG : i + 1 + length
  }
  return WRONG
}

/** What comes most often and has nothing to parse: pings, and acknowledgements of success. */
function shortPacket(first: number, buf: Buffer, at: number, length: number): Packet | undefined {
  const type = first >> 4
  const flags = first & 0xf
  if (length === 0 && flags === 0) {
    if (type === PINGREQ) return { cmd: 'pingreq' }
    if (type === PINGRESP) return { cmd: 'pingresp' }
  }
  if (length !== 2 || type < PUBACK || type > PUBCOMP || flags !== (type === PUBREL ? 2 : 0)) return undefined
  return { cmd: ACKS[type]!, messageId: buf.readUInt16BE(at), reasonCode: 0 }
}

/** A PUBLISH that ends where its payload would begin. */
function withoutPayload(first: number, buf: Buffer, at: number, head: number): Buffer {
  const lengthBytes = head < 128 ? 1 : 2
  const packet = Buffer.allocUnsafe(1 + lengthBytes + head)
  packet[0] = first
  packet[1] = lengthBytes === 1 ? head : (head & 0x7f) | 0x80
  if (lengthBytes === 2) packet[2] = head >> 7
  buf.copy(packet, 1 + lengthBytes, at, at + head)
  return packet
}
