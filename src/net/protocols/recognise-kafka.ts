/**
 * Kafka by the first request of a client (Kafka protocol guide, "Request Header"; KIP-482 for the flexible versions):
 * size, API key, API version, correlation id, client id. Clients begin with ApiVersions, SaslHandshake or Metadata, and
 * no other key counts (Metadata only up to version 8, for newer ones are not asked before the versions); the size must be that of the fields within.
 */
import { type Check, matches, printable, type Recognised } from './first-bytes.ts'

const SIZE_BYTES = 4
const FIXED_BYTES = 14
const MAX_REQUEST_BYTES = 65_536
const MAX_CLIENT_ID_BYTES = 255
const MAX_SOFTWARE_BYTES = 100

const METADATA = 3
const SASL_HANDSHAKE = 17
const API_VERSIONS = 18
const LATEST: Readonly<Record<number, number>> = { [METADATA]: 8, [SASL_HANDSHAKE]: 1, [API_VERSIONS]: 4 }
/** From this version on ApiVersions has tagged fields and compact strings. */
const API_VERSIONS_FLEXIBLE = 3

const KAFKA: Recognised = { name: 'kafka', version: '', variant: '' }
type Answer = Recognised | 'no' | 'more'

export const kafkaClient: Check = (buf, end) => {
  if (matches(buf, end, 0, Buffer.from([0])) === 'no') return 'no'
  if (end < FIXED_BYTES) return end >= 6 && LATEST[buf.readUInt16BE(4)] === undefined ? 'no' : 'more'
  const stop = SIZE_BYTES + buf.readInt32BE(0)
  const key = buf.readUInt16BE(4)
  const version = buf.readUInt16BE(6)
  const latest = LATEST[key]
  if (latest === undefined || version > latest || stop > MAX_REQUEST_BYTES || buf.readInt32BE(8) < 0) return 'no'
  const idBytes = buf.readInt16BE(12)
  if (idBytes < -1 || idBytes > MAX_CLIENT_ID_BYTES) return 'no'
  const body = FIXED_BYTES + Math.max(0, idBytes)
  if (body > stop || !printable(buf, FIXED_BYTES, Math.min(end, body))) return 'no'
  if (end < body) return 'more'
  if (key === API_VERSIONS)
    return version < API_VERSIONS_FLEXIBLE ? (body === stop ? KAFKA : 'no') : apiVersions(buf, end, body, stop)
  return key === SASL_HANDSHAKE ? saslHandshake(buf, end, body, stop) : metadata(buf, end, body, stop, version)
}

/** No tagged fields, name and version of the client's software, no tagged fields. */
function apiVersions(buf: Buffer, end: number, body: number, stop: number): Answer {
  let at = body
  if (at >= end) return 'more'
  if (buf[at++] !== 0) return 'no'
  for (let i = 0; i < 2; i++) {
    if (at >= end) return 'more'
    // A compact string has its length plus one before it; under 128 that is one byte.
    const length = buf[at++]! - 1
    if (length < 0 || length > MAX_SOFTWARE_BYTES || !printable(buf, at, Math.min(end, at + length))) return 'no'
    at += length
  }
  if (at >= end) return at + 1 > stop ? 'no' : 'more'
  return buf[at] === 0 && at + 1 === stop ? KAFKA : 'no'
}

/** The name of a mechanism: PLAIN, SCRAM-SHA-256, OAUTHBEARER. */
function saslHandshake(buf: Buffer, end: number, body: number, stop: number): Answer {
  if (end < body + 2) return 'more'
  const length = buf.readInt16BE(body)
  if (length < 1 || body + 2 + length !== stop) return 'no'
  if (end < stop) return printable(buf, body + 2, end) ? 'more' : 'no'
  return printable(buf, body + 2, stop) ? KAFKA : 'no'
}

/** Topics: all of them, or so many that the size allows; then flags. */
function metadata(buf: Buffer, end: number, body: number, stop: number, version: number): Answer {
  if (end < body + 4) return 'more'
  const count = buf.readInt32BE(body)
  const flagBytes = version >= 8 ? 3 : version >= 4 ? 1 : 0
  if (count < -1 || body + 4 + 2 * Math.max(0, count) + flagBytes > stop) return 'no'
  if (count <= 0) return body + 4 + flagBytes === stop ? KAFKA : 'no'
  if (end < body + 6) return 'more'
  const topicBytes = buf.readInt16BE(body + 4)
  if (topicBytes < 1 || topicBytes > 249 || body + 6 + topicBytes > stop) return 'no'
  const topic = body + 6
  if (!printable(buf, topic, Math.min(end, topic + topicBytes))) return 'no'
  return end < topic + topicBytes ? 'more' : KAFKA
}
