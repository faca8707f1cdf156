/**
 * Requests and replies of an MQTT connection (MQTT 3.1.1 and 5.0 §3): CONNECT/CONNACK, SUBSCRIBE/SUBACK,
 * UNSUBSCRIBE/UNSUBACK, PINGREQ/PINGRESP, and PUBLISH in either direction with PUBACK, or with PUBREC, PUBREL and PUBCOMP.
 */
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet'
import {
  type CallError,
  type CallParent,
  type CallSink,
  type CallValue,
  MAX_OUTSTANDING,
  plainText,
  UNANSWERED,
} from './call.ts'
import { connectReturn, isFailure, reasonName } from './mqtt-names.ts'
import { MqttPackets } from './mqtt-packets.ts'
import { MqttReader } from './mqtt-reader.ts'
import type { ProtocolPairs } from './protocol-pairs.ts'

type Attribute = readonly [string, CallValue]

/** A request that waits for its reply. */
interface Waiting {
  readonly operation: string
  readonly startUs: number
  readonly attributes: Attribute[]
  readonly parent: CallParent | undefined
  /** The packet that comes next in its life. */
  expects: string
}

/** One direction: its packets, and its requests by their id. Ids of the two sides are independent. */
interface Side {
  readonly reader: MqttReader
  readonly waiting: Map<number, Waiting>
}

/** Filters of a SUBSCRIBE that its span names. */
const MAX_FILTERS = 16
const VERSIONS: Readonly<Record<string, 3 | 4 | 5>> = { '3.1': 3, '3.1.1': 4, '5.0': 5 }
/** One reader of packets a version serves all connections: it is given whole packets. */
const packetsOf = new Map<number, MqttPackets>()

export class MqttCalls implements ProtocolPairs {
  readonly #client: Side
  readonly #server: Side
  readonly #onCall: CallSink
  #connect: Waiting | undefined
  #connected = false
  #clientId = ''
  readonly #pings: Waiting[] = []
  unpaired = 0
  closing = ''

  constructor(version: string, onCall: CallSink) {
    this.#onCall = onCall
    const level = VERSIONS[version] ?? 4
    const packets = packetsOf.get(level) ?? new MqttPackets(level)
    packetsOf.set(level, packets)
    const side = (fromClient: boolean): Side => ({
      waiting: new Map(),
      reader: new MqttReader(level === 5, packets, {
        onPacket: (packet, startUs, endUs) => this.#packet(fromClient, packet, startUs, endUs),
        onPublish: (packet, bytes, startUs) => this.#publish(fromClient, packet, bytes, startUs),
        onLong: (cmd, id, startUs, endUs) => this.#long(fromClient, cmd, id, startUs, endUs),
      }),
    })
    this.#client = side(true)
    this.#server = side(false)
  }

  feed(fromClient: boolean, buf: Buffer, start: number, end: number, now: number): boolean {
    return this.#side(fromClient).reader.feed(buf, start, end, now)
  }

  finish(now: number): void {
    const open = [this.#connect, ...this.#pings, ...this.#client.waiting.values()]
    for (const one of open) if (one !== undefined) this.#tell(true, one, now, UNANSWERED)
    for (const one of this.#server.waiting.values()) this.#tell(false, one, now, UNANSWERED)
  }

  #side(fromClient: boolean): Side {
    return fromClient ? this.#client : this.#server
  }

  // === packets ===

  #packet(fromClient: boolean, packet: Packet, startUs: number, endUs: number): boolean {
    if (!this.#inOrder(fromClient, packet.cmd)) return false
    switch (packet.cmd) {
      case 'connect':
        this.#begin(packet, startUs)
        return true
      case 'connack':
        return this.#connack(
          packet.returnCode ?? packet.reasonCode,
          packet.returnCode === undefined,
          packet.sessionPresent,
          packet.properties,
          endUs,
        )
      case 'subscribe':
        this.#wait(
          fromClient,
          packet.messageId!,
          'SUBSCRIBE',
          'suback',
          startUs,
          filterFacts(packet.subscriptions.map(({ topic }) => topic)),
        )
        return true
      case 'unsubscribe':
        this.#wait(
          fromClient,
          packet.messageId!,
          'UNSUBSCRIBE',
          'unsuback',
          startUs,
          filterFacts(packet.unsubscriptions),
        )
        return true
      case 'suback':
      case 'unsuback':
        this.#answered(
          fromClient,
          packet.cmd,
          packet.messageId!,
          grantedError(packet.granted as number[] | undefined, packet.properties?.reasonString),
          endUs,
        )
        return true
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.#answered(
          fromClient,
          packet.cmd,
          packet.messageId!,
          reasonError(packet.reasonCode ?? 0, packet.properties?.reasonString),
          endUs,
        )
        return true
      case 'pubrel':
        this.#release(fromClient, packet.messageId!, startUs)
        return true
      case 'pingreq':
        this.#ping(startUs)
        return true
      case 'pingresp':
        this.#pong(endUs)
        return true
      case 'disconnect':
        this.closing = `${fromClient ? 'client' : 'server'}: ${reasonName(packet.reasonCode ?? 0)}`
        return true
      case 'auth':
        return true
      default:
        return false
    }
  }

  /** What only one side may send, and what must come first. */
  #inOrder(fromClient: boolean, cmd: string): boolean {
    switch (cmd) {
      case 'connect':
        return fromClient && this.#connect === undefined && !this.#connected
      case 'subscribe':
      case 'unsubscribe':
      case 'pingreq':
        return fromClient
      case 'connack':
        return !fromClient && this.#connect !== undefined
      case 'suback':
      case 'unsuback':
      case 'pingresp':
        return !fromClient && this.#connected
      default:
        return true
    }
  }

  #begin(packet: IConnectPacket, startUs: number): void {
    this.#clientId = plainText(packet.clientId)
    this.#connect = {
      operation: 'CONNECT',
      startUs,
      parent: undefined,
      expects: 'connack',
      attributes: [
        ['hopscope.mqtt.keep_alive_s', packet.keepalive ?? 0],
        ['hopscope.mqtt.clean_session', packet.clean === true],
      ],
    }
  }

  #connack(
    code: number | undefined,
    five: boolean,
    sessionPresent: boolean,
    properties: { readonly reasonString?: string; readonly assignedClientIdentifier?: string } | undefined,
    endUs: number,
  ): boolean {
    const connect = this.#connect
    if (connect === undefined || code === undefined) return false
    this.#connect = undefined
    this.#connected = true
    if (properties?.assignedClientIdentifier !== undefined)
      this.#clientId = plainText(properties.assignedClientIdentifier)
    connect.attributes.push(['hopscope.mqtt.session_present', sessionPresent])
    const type = five ? (isFailure(code) ? reasonName(code) : '') : connectReturn(code)
    this.#tell(
      true,
      connect,
      endUs,
      type === '' ? undefined : { type, message: plainText(properties?.reasonString ?? '') },
    )
    return true
  }

  #publish(fromClient: boolean, packet: IPublishPacket, payloadBytes: number, startUs: number): boolean {
    const id = packet.messageId!
    const { waiting } = this.#side(fromClient)
    const known = waiting.get(id)
    // Sent again: its time runs from the first.
    if (packet.dup && known?.operation === 'PUBLISH') return true
    const attributes: Attribute[] = [
      ['messaging.operation.type', 'send'],
      ['hopscope.mqtt.qos', packet.qos],
      ['hopscope.mqtt.packet_id', id],
      ['messaging.message.body.size', payloadBytes],
    ]
    if (packet.topic !== '') attributes.push(['messaging.destination.name', plainText(packet.topic)])
    if (packet.properties?.topicAlias !== undefined)
      attributes.push(['hopscope.mqtt.topic_alias', packet.properties.topicAlias])
    if (packet.retain) attributes.push(['hopscope.mqtt.retain', true])
    if (packet.dup) attributes.push(['hopscope.mqtt.dup', true])
    this.#wait(fromClient, id, 'PUBLISH', packet.qos === 1 ? 'puback' : 'pubrec', startUs, attributes, parentOf(packet))
    return true
  }

  /** Too long to be looked at: paired by its id, if it has one. */
  #long(fromClient: boolean, cmd: string, id: number, startUs: number, endUs: number): boolean {
    if (cmd !== '' && !this.#inOrder(fromClient, cmd)) return false
    if (cmd === 'connect')
      this.#connect = { operation: 'CONNECT', startUs, parent: undefined, expects: 'connack', attributes: [] }
    else if (cmd === 'subscribe') this.#wait(fromClient, id, 'SUBSCRIBE', 'suback', startUs, [])
    else if (cmd === 'unsubscribe') this.#wait(fromClient, id, 'UNSUBSCRIBE', 'unsuback', startUs, [])
    else if (cmd === 'pubrel') this.#release(fromClient, id, startUs)
    else if (cmd !== '') this.#answered(fromClient, cmd, id, undefined, endUs)
    return true
  }

  // === pairs ===

  #wait(
    fromClient: boolean,
    id: number,
    operation: string,
    expects: string,
    startUs: number,
    attributes: Attribute[],
    parent?: CallParent,
  ): void {
    const { waiting } = this.#side(fromClient)
    if (waiting.delete(id)) this.unpaired++
    waiting.set(id, { operation, startUs, attributes, parent, expects })
    if (waiting.size <= MAX_OUTSTANDING) return
    for (const oldest of waiting.keys()) {
      waiting.delete(oldest)
      break
    }
    this.unpaired++
  }

  /** A reply of one side to a request of the other. */
  #answered(fromClient: boolean, cmd: string, id: number, error: CallError | undefined, endUs: number): void {
    const { waiting } = this.#side(!fromClient)
    const request = waiting.get(id)
    if (request?.expects !== cmd) {
      this.unpaired++
      return
    }
    if (cmd === 'pubrec' && error === undefined) {
      request.attributes.push(['hopscope.mqtt.received_us', Math.round(endUs - request.startUs)])
      request.expects = 'pubcomp'
      return
    }
    waiting.delete(id)
    this.#tell(!fromClient, request, endUs, error)
  }

  /** The publisher lets go of the message: the second half of QoS 2, of an earlier connection perhaps. */
  #release(fromClient: boolean, id: number, startUs: number): void {
    if (this.#side(fromClient).waiting.get(id)?.expects === 'pubcomp') return
    this.#wait(fromClient, id, 'PUBREL', 'pubcomp', startUs, [['hopscope.mqtt.packet_id', id]])
  }

  #ping(startUs: number): void {
    this.#pings.push({ operation: 'PINGREQ', startUs, attributes: [], parent: undefined, expects: 'pingresp' })
    if (this.#pings.length <= MAX_OUTSTANDING) return
    this.#pings.shift()
    this.unpaired++
  }

  #pong(endUs: number): void {
    const ping = this.#pings.shift()
    if (ping === undefined) this.unpaired++
    else this.#tell(true, ping, endUs, undefined)
  }

  #tell(fromClient: boolean, request: Waiting, endUs: number, error: CallError | undefined): void {
    const { operation, startUs, parent } = request
    const attributes: Attribute[] = [
      ['messaging.system', 'mqtt'],
      ['messaging.operation.name', operation.toLowerCase()],
      ...request.attributes,
    ]
    if (this.#clientId !== '') attributes.push(['messaging.client.id', this.#clientId])
    this.#onCall({
      protocol: 'mqtt',
      operation,
      name: `MQTT ${operation}`,
      fromClient,
      startUs,
      endUs,
      attributes,
      error,
      parent,
    })
  }
}

function filterFacts(filters: readonly string[]): Attribute[] {
  if (filters.length === 1) return [['messaging.destination.name', plainText(filters[0]!)]]
  const named = filters.slice(0, MAX_FILTERS).map((filter) => plainText(filter))
  return [
    ['hopscope.mqtt.filters', named],
    ['hopscope.mqtt.filter_count', filters.length],
  ]
}

function reasonError(code: number, reason: string | undefined): CallError | undefined {
  return isFailure(code) ? { type: reasonName(code), message: plainText(reason ?? '') } : undefined
}

/** The first refusal among what was asked for. */
function grantedError(granted: readonly number[] | undefined, reason: string | undefined): CallError | undefined {
  const index = granted?.findIndex(isFailure) ?? -1
  if (index < 0) return undefined
  const refused = granted!.filter(isFailure).length
  return {
    type: reasonName(granted![index]!),
    message: plainText(reason ?? `${refused} of ${granted!.length} refused`),
  }
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/

/** The span that published it, where it says so in user properties (W3C Trace Context for MQTT, §2 of the draft). */
function parentOf(packet: IPublishPacket): CallParent | undefined {
  const value = packet.properties?.userProperties?.traceparent
  const found = typeof value === 'string' ? TRACEPARENT.exec(value) : null
  if (found === null || value!.slice(0, 2) === 'ff' || /^0+$/.test(found[1]!) || /^0+$/.test(found[2]!))
    return undefined
  return { traceId: found[1]!, spanId: found[2]!, flags: Number.parseInt(found[3]!, 16) }
}
