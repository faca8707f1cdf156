/** Attributes that all exchanges of a connection share, encoded once per connection in the telemetry thread. */
import { type AttributeSink, attributeKey } from './otlp-attributes.ts'
import { keyValue } from './otlp-rare.ts'
import { type ConnectionFactsRecord, FACT_SLOTS } from './record-layout.ts'
import { withoutUserinfo } from './redact.ts'
import { parseTlsAttributes } from './tls-attributes.ts'

const K_SCHEME = attributeKey('url.scheme')
const K_PEER_ADDRESS = attributeKey('network.peer.address')
const K_PEER_PORT = attributeKey('network.peer.port')
const K_CLIENT_ADDRESS = attributeKey('client.address')
const K_SERVER_ADDRESS = attributeKey('server.address')
const K_SERVER_PORT = attributeKey('server.port')
const K_AGENT = attributeKey('user_agent.original')
const K_UPSTREAM_ADDRESS = attributeKey('hopscope.upstream.address')
const K_UPSTREAM_PORT = attributeKey('hopscope.upstream.port')
const K_DIRECTION = attributeKey('hopscope.direction')

const EMPTY = new Uint8Array(0)
const MASK = FACT_SLOTS - 1

/** Attributes of one connection, encoded one after the other in one piece of memory: there may be thousands. */
export interface ConnectionBlocks {
  readonly id: number
  readonly outbound: boolean
  readonly facts: ConnectionFactsRecord | undefined
  /** Peer, host, user agent, upstream. */
  readonly all: Uint8Array
  readonly hostAt: number
  readonly agentAt: number
  readonly upstreamAt: number
  /** `scheme://authority` in ASCII, the beginning of url.full, which only CLIENT spans have. */
  readonly origin: Uint8Array
}

const UNKNOWN: ConnectionBlocks = {
  ...{ id: -1, outbound: false, facts: undefined, all: EMPTY },
  ...{ hostAt: 0, agentAt: 0, upstreamAt: 0, origin: EMPTY },
}

/** The reader's side of the table that `connection-facts.ts` writes through the ring. */
export class ConnectionBlocksTable {
  readonly #slots: ConnectionBlocks[] = new Array<ConnectionBlocks>(FACT_SLOTS).fill(UNKNOWN)

  /** Blocks of a connection; empty ones where its facts never came. */
  of(id: number): ConnectionBlocks {
    const blocks = this.#slots[id & MASK]!
    return blocks.id === id ? blocks : UNKNOWN
  }

  /** Take over a FACTS record. `sink` is scratch. */
  put(facts: ConnectionFactsRecord, sink: AttributeSink): void {
    const outbound = facts.direction === 'outbound'
    const begin = sink.at
    if (!outbound) {
      sink.string(K_SCHEME, facts.scheme)
      sink.string(K_PEER_ADDRESS, facts.peerAddress)
      sink.int(K_PEER_PORT, facts.peerPort)
      sink.string(K_CLIENT_ADDRESS, facts.peerAddress)
    }
    sink.string(K_DIRECTION, facts.direction)
    for (const [key, value] of parseTlsAttributes(facts.tls)) sink.block(attributeField(keyValue(key, value).finish()))
    const hostAt = sink.at - begin
    writeHost(sink, facts, facts.host)
    const agentAt = sink.at - begin
    if (facts.userAgent !== '') sink.string(K_AGENT, facts.userAgent)
    const upstreamAt = sink.at - begin
    writeUpstream(sink, outbound, facts.upstreamAddress, facts.upstreamPort)
    const all = sink.cut(begin)
    const origin = outbound ? originOf(facts, facts.host) : EMPTY
    const id = facts.connection
    this.#slots[id & MASK] = { id, outbound, facts, all, hostAt, agentAt, upstreamAt, origin }
  }
}

/** `attributes = 9` of a Span around an encoded KeyValue. */
function attributeField(message: Uint8Array): Uint8Array {
  const length = message.length
  const prefix = length < 0x80 ? [0x4a, length] : [0x4a, (length & 0x7f) | 0x80, length >> 7]
  return Uint8Array.from([...prefix, ...message])
}

export function writeAgent(sink: AttributeSink, from: Buffer, start: number, end: number): void {
  if (end > start) sink.range(K_AGENT, from, start, end)
}

/** Where the exchange went: the peer of a CLIENT span; beside the peer (the client) on a SERVER span. */
export function writeUpstream(sink: AttributeSink, outbound: boolean, address: string, port: number): void {
  if (port === 0) return
  sink.string(outbound ? K_PEER_ADDRESS : K_UPSTREAM_ADDRESS, address)
  sink.int(outbound ? K_PEER_PORT : K_UPSTREAM_PORT, port)
}

/** server.address and server.port, of the Host header or else of the original destination. */
export function writeHost(sink: AttributeSink, facts: ConnectionFactsRecord | undefined, host: string): void {
  const authority = authorityOf(facts, host)
  if (authority === '') return
  const colon = authority.lastIndexOf(':')
  const hasPort = colon > authority.lastIndexOf(']') && /^\d{1,5}$/.test(authority.slice(colon + 1))
  const name = hasPort ? authority.slice(0, colon) : authority
  sink.string(K_SERVER_ADDRESS, name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name)
  sink.int(K_SERVER_PORT, hasPort ? Number(authority.slice(colon + 1)) : facts?.scheme === 'https' ? 443 : 80)
}

/** `scheme://authority` as ASCII bytes. */
export function originOf(facts: ConnectionFactsRecord | undefined, host: string): Uint8Array {
  const text = `${facts?.scheme ?? 'http'}://${authorityOf(facts, host)}`
  // Hosts are ASCII (RFC 9110 §4.2.1); anything else in this place is not shown.
  return Uint8Array.from(text, (char) => (char.charCodeAt(0) < 0x80 ? char.charCodeAt(0) : 0x3f))
}

function authorityOf(facts: ConnectionFactsRecord | undefined, host: string): string {
  if (host !== '') return withoutUserinfo(host)
  if (facts === undefined || facts.destinationPort === 0) return ''
  const { destinationAddress: address, destinationPort: port } = facts
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
