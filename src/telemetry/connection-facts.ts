/**
 * Facts of connections on the data thread: what is the same for all exchanges of a connection is written into the ring
 * once. Both sides keep it in a table addressed by the connection id modulo its size, overwritten in the order of the
 * ring, so that they always agree and nothing has to be evicted or asked for.
 */

import { detached } from '../core/latin1.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { decodeText } from './otlp-attributes.ts'
import { type ConnectionFactsRecord, FACT_SLOTS, FACTS } from './record-layout.ts'
import type { RingWriter } from './ring.ts'
import { tlsAttributesText } from './tls-attributes.ts'

const MASK = FACT_SLOTS - 1
/** Written before the text: record header, connection id and text length. */
const TEXT_WORD = 2

const NONE: ConnectionFactsRecord = {
  connection: -1,
  direction: 'edge',
  scheme: 'http',
  peerAddress: '',
  peerPort: 0,
  localAddress: '',
  localPort: 0,
  destinationAddress: '',
  destinationPort: 0,
  upstreamAddress: '',
  upstreamPort: 0,
  host: '',
  userAgent: '',
  tls: '',
}

export class ConnectionFactsTable {
  readonly #facts: ConnectionFactsRecord[] = new Array<ConnectionFactsRecord>(FACT_SLOTS).fill(NONE)

  /**
   * Facts that the reader of the ring has of this connection, written now if it has none. What of the exchange differs
   * from them must be written with the exchange.
   */
  of(ring: RingWriter, x: Exchange, host: string, userAgent: string): ConnectionFactsRecord {
    const id = x.connection.id | 0
    const known = this.#facts[id & MASK]!
    if (known.connection === id && (known.upstreamPort !== 0 || x.upstreamPeer === undefined)) return known
    const facts = factsOf(x, detached(host), detached(userAgent))
    this.#facts[id & MASK] = writeFacts(ring, facts) ? facts : NONE
    return this.#facts[id & MASK]!
  }

  /** What was written last of connection `id`, undefined where its place was taken by another. */
  lookup(id: number): ConnectionFactsRecord | undefined {
    const known = this.#facts[id & MASK]!
    if (known.connection !== id) return undefined
    return { ...known, host: decodeText(known.host), userAgent: decodeText(known.userAgent) }
  }

  /** The reader lost its table (the worker was started again): write everything anew. */
  forget(): void {
    this.#facts.fill(NONE)
  }
}

function factsOf(x: Exchange, host: string, userAgent: string): ConnectionFactsRecord {
  const { connection } = x
  const destination = connection.originalDestination
  return {
    connection: connection.id | 0,
    direction: connection.direction,
    scheme: connection.scheme,
    peerAddress: connection.peer.address,
    peerPort: connection.peer.port,
    localAddress: connection.local.address,
    localPort: connection.local.port,
    destinationAddress: destination?.address ?? '',
    destinationPort: destination?.port ?? 0,
    upstreamAddress: x.upstreamPeer?.address ?? '',
    upstreamPort: x.upstreamPeer?.port ?? 0,
    host,
    userAgent,
    tls: tlsAttributesText(x),
  }
}

/** Write a FACTS record; false: the ring is full. */
export function writeFacts(ring: RingWriter, facts: ConnectionFactsRecord): boolean {
  const text =
    `${facts.direction}\n${facts.scheme}\n${facts.peerAddress}\n${facts.peerPort}\n${facts.localAddress}\n` +
    `${facts.localPort}\n${facts.destinationAddress}\n${facts.destinationPort}\n${facts.upstreamAddress}\n` +
    `${facts.upstreamPort}\n${facts.host}\n${facts.userAgent}\n${facts.tls}`
  const words = TEXT_WORD + ((text.length + 7) >> 3)
  const at = ring.reserve(words)
  if (at < 0) return false
  ring.memory.int32[at * 2 + 2] = facts.connection
  ring.memory.int32[at * 2 + 3] = text.length
  ring.memory.bytes.write(text, (at + TEXT_WORD) * 8, text.length, 'latin1')
  ring.commit(at, words, FACTS)
  return true
}

/** Read a FACTS record at absolute word `at`. */
export function readFacts(int32: Int32Array, bytes: Buffer, at: number): ConnectionFactsRecord {
  const start = (at + TEXT_WORD) * 8
  const parts = bytes.toString('latin1', start, start + int32[at * 2 + 3]!).split('\n')
  const direction = parts[0]
  return {
    connection: int32[at * 2 + 2]!,
    direction: direction === 'inbound' || direction === 'outbound' ? direction : 'edge',
    scheme: parts[1] === 'https' ? 'https' : 'http',
    peerAddress: parts[2] ?? '',
    peerPort: Number(parts[3]),
    localAddress: parts[4] ?? '',
    localPort: Number(parts[5]),
    destinationAddress: parts[6] ?? '',
    destinationPort: Number(parts[7]),
    upstreamAddress: parts[8] ?? '',
    upstreamPort: Number(parts[9]),
    host: decodeText(parts[10] ?? ''),
    userAgent: decodeText(parts[11] ?? ''),
    tls: parts[12] ?? '',
  }
}
