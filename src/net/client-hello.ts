/**
 * Reads the ClientHello of a TLS connection that is passed through (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1): which
 * server it asks for, and which protocols it offers. Pure, never throws, bounded; call it again with all bytes so far.
 */

/** More than this is not waited for: the largest hellos in use (post-quantum key shares) are about 2 KiB. */
export const MAX_HELLO_BYTES = 16 * 1024

/** What a ClientHello says. */
export interface ClientHello {
  readonly kind: 'hello'
  /** SNI in lower case; '' where there is none or it is not a host name. It chooses policy, never an address. */
  readonly serverName: string
  /** Why an SNI that was sent is not used, '' otherwise. */
  readonly nameFault: string
  /** Offered protocols in order, one character a byte; without GREASE. */
  readonly alpn: readonly string[]
  /** Offered versions in order, 0x0304 for TLS 1.3; without GREASE. */
  readonly versions: readonly number[]
}

/** The hello is broken or too long. The bytes may still be forwarded: the server decides about them. */
export interface HelloFault {
  readonly kind: 'fault'
  readonly reason: string
}

export type HelloResult = ClientHello | HelloFault | 'need-more' | 'not-tls'

const RECORD_HEADER = 5
const HANDSHAKE_HEADER = 4
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const EXTENSION_SERVER_NAME = 0
const EXTENSION_ALPN = 16
const EXTENSION_VERSIONS = 43
const MAX_RECORD = 1 << 14

/** Parse what `buf[start, end)` has of the first flight. The buffer is not kept. */
export function parseClientHello(buf: Uint8Array, start = 0, end = buf.length): HelloResult {
  const message = joined(buf, start, end)
  if (message instanceof Uint8Array) return parseMessage(message)
  return typeof message === 'number' ? 'need-more' : message
}

/**
 * Reads the hello of one connection as it comes. It looks anew only when as much came as was missing: in records and
 * segments of one byte a hello would else be put together thousands of times.
 */
export class HelloReader {
  #needed = 0

  /** `buf[0, end)` is all that came so far; as {@link parseClientHello}. */
  read(buf: Uint8Array, end: number): HelloResult {
    if (end < this.#needed) return 'need-more'
    const message = joined(buf, 0, end)
    if (message instanceof Uint8Array) return parseMessage(message)
    if (typeof message !== 'number') return message
    this.#needed = end + message
    return 'need-more'
  }
}

/** Bytes beyond the bound are never looked at, so that the answer does not depend on how many came at once. */
function joined(buf: Uint8Array, start: number, end: number): Joined {
  return joinRecords(buf, start, Math.min(end, start + MAX_HELLO_BYTES))
}

/** The message, how many bytes are missing at least, or what is wrong. */
type Joined = Uint8Array | number | HelloFault | 'not-tls'

function fault(reason: string): HelloFault {
  return { kind: 'fault', reason }
}

/** The handshake message out of its records: it may be cut anywhere, even within its own header. */
function joinRecords(buf: Uint8Array, start: number, end: number): Joined {
  const parts: Uint8Array[] = []
  let have = 0
  let missing = 1
  let at = start
  for (;;) {
    const first = parts.length === 0
    const bad = recordFault(buf, at, end)
    if (bad !== '') return first && bad !== 'empty' && bad !== 'too long' ? 'not-tls' : fault(`a TLS record is ${bad}`)
    if (end - at < RECORD_HEADER) return more(end - start, missing)
    const length = (buf[at + 3]! << 8) | buf[at + 4]!
    const body = at + RECORD_HEADER
    const part = buf.subarray(body, Math.min(end, body + length))
    parts.push(part)
    have += part.length
    const want = messageLength(parts, have)
    if (typeof want === 'string') return first && want === 'not-tls' ? 'not-tls' : fault('not a ClientHello')
    if (want > MAX_HELLO_BYTES) return fault('the ClientHello is too long')
    if (have >= want) return parts.length === 1 ? part.subarray(0, want) : concat(parts, want)
    missing = want - have
    if (body + length > end) return more(end - start, missing)
    at = body + length
  }
}

function more(bytes: number, missing: number): HelloFault | number {
  return bytes >= MAX_HELLO_BYTES ? fault('the ClientHello is too long') : missing
}

/** '' while the bytes there are of a record header are right. */
function recordFault(buf: Uint8Array, at: number, end: number): string {
  if (at < end && buf[at] !== HANDSHAKE) return 'not a handshake'
  if (at + 1 < end && buf[at + 1] !== 3) return 'of another version'
  if (at + 4 < end) {
    const length = (buf[at + 3]! << 8) | buf[at + 4]!
    if (length === 0) return 'empty'
    if (length > MAX_RECORD) return 'too long'
  }
  return ''
}

/** Bytes of the message with its header; 4 while that header is not complete. */
function messageLength(parts: readonly Uint8Array[], have: number): number | 'not-tls' {
  const head: number[] = []
  for (const part of parts) {
    if (head.length === HANDSHAKE_HEADER) break
    for (let i = 0; i < part.length && head.length < HANDSHAKE_HEADER; i++) head.push(part[i]!)
  }
  if (have > 0 && head[0] !== CLIENT_HELLO) return 'not-tls'
  if (head.length < HANDSHAKE_HEADER) return HANDSHAKE_HEADER
  return HANDSHAKE_HEADER + ((head[1]! << 16) | (head[2]! << 8) | head[3]!)
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    const fits = part.subarray(0, length - at)
    whole.set(fits, at)
    at += fits.length
  }
  return whole
}

/** Walks length-prefixed fields; once something does not fit, `failed` stays set and all reads give nothing. */
class Reader {
  readonly #buf: Uint8Array
  #at = 0
  failed = false

  constructor(buf: Uint8Array) {
    this.#buf = buf
  }

  get done(): boolean {
    return this.failed || this.#at >= this.#buf.length
  }

  uint(bytes: 1 | 2): number {
    const field = this.bytes(bytes)
    if (field.length < bytes) return 0
    return bytes === 1 ? field[0]! : (field[0]! << 8) | field[1]!
  }

  bytes(length: number): Uint8Array {
    if (this.failed || this.#at + length > this.#buf.length) {
      this.failed = true
      return this.#buf.subarray(0, 0)
    }
    this.#at += length
    return this.#buf.subarray(this.#at - length, this.#at)
  }

  /** A field with its length before it. */
  vector(lengthBytes: 1 | 2): Uint8Array {
    return this.bytes(this.uint(lengthBytes))
  }
}

function parseMessage(message: Uint8Array): HelloResult {
  const reader = new Reader(message.subarray(HANDSHAKE_HEADER))
  const legacyVersion = reader.uint(2)
  reader.bytes(32) // random
  reader.vector(1) // session id
  reader.vector(2) // cipher suites
  reader.vector(1) // compression methods
  if (reader.failed) return fault('the ClientHello is cut short')
  // TLS 1.2 and older may leave the extensions out altogether.
  const extensions = reader.done ? new Uint8Array(0) : reader.vector(2)
  if (reader.failed || !reader.done) return fault('the extensions do not fill the ClientHello')
  return parseExtensions(extensions, legacyVersion)
}

function parseExtensions(bytes: Uint8Array, legacyVersion: number): HelloResult {
  const reader = new Reader(bytes)
  const seen = new Set<number>()
  let name = { serverName: '', nameFault: '' }
  let alpn: string[] = []
  let versions = [legacyVersion]
  while (!reader.done) {
    const type = reader.uint(2)
    const body = new Reader(reader.vector(2))
    if (reader.failed) break
    if (seen.has(type)) return fault('an extension is there twice')
    seen.add(type)
    if (type === EXTENSION_SERVER_NAME) name = readServerName(body)
    else if (type === EXTENSION_ALPN) alpn = readAlpn(body)
    else if (type === EXTENSION_VERSIONS) versions = readVersions(body)
    if (body.failed) return fault(`extension ${type} is malformed`)
  }
  if (reader.failed) return fault('an extension is cut short')
  return { kind: 'hello', ...name, alpn, versions }
}

function readServerName(body: Reader): { serverName: string; nameFault: string } {
  const list = new Reader(body.vector(2))
  const type = list.uint(1)
  const host = latin1(list.vector(2))
  if (list.failed || !body.done) {
    body.failed = true
    return { serverName: '', nameFault: '' }
  }
  if (type !== 0 || !list.done) return { serverName: '', nameFault: 'not one host name' }
  const nameFault = hostNameFault(host)
  // The dot of the root means nothing here (RFC 6066 §3 has none); names are compared without.
  return nameFault === ''
    ? { serverName: host.toLowerCase().replace(/\.$/, ''), nameFault }
    : { serverName: '', nameFault }
}

/** NUL, spaces, slashes and non-ASCII never get into logs, look-ups or comparisons. */
function hostNameFault(host: string): string {
  if (host.length === 0 || host === '.') return 'empty'
  if (host.length > 253) return 'too long'
  return /^[A-Za-z0-9_.-]+$/.test(host) ? '' : 'not a host name'
}

function readAlpn(body: Reader): string[] {
  const list = new Reader(body.vector(2))
  const protocols: string[] = []
  while (!list.done) {
    const protocol = list.vector(1)
    if (list.failed || protocol.length === 0) {
      body.failed = true
      return []
    }
    if (!isGreaseBytes(protocol)) protocols.push(latin1(protocol))
  }
  if (!body.done) body.failed = true
  return protocols
}

function readVersions(body: Reader): number[] {
  const list = new Reader(body.vector(1))
  const versions: number[] = []
  while (!list.done) {
    const version = list.uint(2)
    if (!list.failed && !isGrease(version)) versions.push(version)
  }
  if (list.failed || !body.done) body.failed = true
  return versions
}

/** Random values that clients mix in to keep servers honest (RFC 8701): 0x0a0a, 0x1a1a … 0xfafa. */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff)
}

function isGreaseBytes(bytes: Uint8Array): boolean {
  return bytes.length === 2 && isGrease((bytes[0]! << 8) | bytes[1]!)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
