/** Numbers for the field names that the data path knows, and finding them in bytes. */

/** Fields that the data path asks for by number instead of by name. Order is free; 0 is "none of these". */
export const KNOWN_NAMES = [
  '',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'hopscope-hop',
  'user-agent',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-accept',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'x-real-ip',
  'baggage',
  'content-type',
  'content-encoding',
  'authorization',
  'idempotency-key',
  'grpc-timeout',
] as const

/** A field name that has a number. */
export type KnownName = Exclude<(typeof KNOWN_NAMES)[number], ''>

const idByName = new Map<string, number>(KNOWN_NAMES.map((name, id) => [name, id]))

/** Number of a known field; 0 for any other name. `name` is lower case. */
export function knownId(name: KnownName): number {
  return idByName.get(name)!
}

const HASH_SIZE = 1024
/** Cheap perfect hash over (length, first, last, middle byte): at most one candidate a slot, checked at load. */
const hashOf = (length: number, first: number, middle: number, last: number): number =>
  (length * 37 + first * 5 + middle * 71 + last * 113) & (HASH_SIZE - 1)
const candidateByHash = new Uint8Array(HASH_SIZE)
const knownBytes = KNOWN_NAMES.map((name) => Buffer.from(name, 'latin1'))
for (let id = 1; id < KNOWN_NAMES.length; id++) {
  const bytes = knownBytes[id]!
  const slot = hashOf(bytes.length, bytes[0]!, bytes[bytes.length >> 1]!, bytes[bytes.length - 1]!)
  if (candidateByHash[slot] !== 0) throw new Error(`known field names collide: ${KNOWN_NAMES[id]}`)
  candidateByHash[slot] = id
}

/** Number of the known field whose name stands at `buf[start, end)` in any case, or 0. */
export function classifyName(buf: Uint8Array, start: number, end: number): number {
  const length = end - start
  const slot = hashOf(length, buf[start]! | 0x20, buf[start + (length >> 1)]! | 0x20, buf[end - 1]! | 0x20)
  const id = candidateByHash[slot]!
  if (id === 0) return 0
  const name = knownBytes[id]!
  if (name.length !== length) return 0
  for (let i = 0; i < length; i++) if ((buf[start + i]! | 0x20) !== name[i]) return 0
  return id
}

/** Number of a known field by its lower-case name; 0 for any other. */
export function knownIdOf(lowerCase: string): number {
  return idByName.get(lowerCase) ?? 0
}
