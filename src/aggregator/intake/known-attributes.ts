/** The attributes that have a column, found by the bytes of their key without making a string. */

export type Known =
  | 'service'
  | 'hostId'
  | 'hostName'
  | 'node'
  | 'instance'
  | 'route'
  | 'template'
  | 'path'
  | 'url'
  | 'http'
  | 'peer'
  | 'error'
  | 'code'
  | 'requestId'
  | 'key'
  | 'outcome'
  | 'direction'
  | 'attempt'
  | 'recorded'
  | 'count'

const SPAN_KEYS: readonly (readonly [string, Known])[] = [
  ['http.response.status_code', 'http'],
  ['http.status_code', 'http'], // before semantic conventions 1.23
  ['http.route', 'route'],
  ['url.template', 'template'],
  ['url.path', 'path'],
  ['http.target', 'path'],
  ['url.full', 'url'],
  ['http.url', 'url'],
  ['server.address', 'peer'],
  ['net.peer.name', 'peer'],
  ['error.type', 'error'],
  ['hopscope.error.code', 'code'],
  ['http.request.header.x-request-id', 'requestId'],
  ['guid:x-request-id', 'requestId'], // Envoy
  ['hopscope.idempotency.key_hash', 'key'],
  ['hopscope.idempotency.outcome', 'outcome'],
  ['hopscope.direction', 'direction'],
  ['hopscope.attempt', 'attempt'],
  ['hopscope.recorded', 'recorded'],
  ['hopscope.adjusted_count', 'count'],
]
const RESOURCE_KEYS: readonly (readonly [string, Known])[] = [
  ['service.name', 'service'],
  // What shares a clock, the surest first; span-facts.ts has the same order.
  ['host.id', 'hostId'],
  ['k8s.node.name', 'node'],
  ['host.name', 'hostName'],
  ['service.instance.id', 'instance'],
]

interface Candidate {
  readonly bytes: Uint8Array
  readonly known: Known
}

/** Candidates by length of the key. */
export type KeyTable = readonly (readonly Candidate[] | undefined)[]

function tableOf(keys: readonly (readonly [string, Known])[]): KeyTable {
  const table: (Candidate[] | undefined)[] = new Array(64).fill(undefined)
  for (const [key, known] of keys) {
    const bytes = new Uint8Array(Buffer.from(key))
    const sameLength = table[bytes.length] ?? []
    sameLength.push({ bytes, known })
    table[bytes.length] = sameLength
  }
  return table
}

export const SPAN_ATTRIBUTES = tableOf(SPAN_KEYS)
export const RESOURCE_ATTRIBUTES = tableOf(RESOURCE_KEYS)

export function findKey(table: KeyTable, bytes: Uint8Array, at: number, end: number): Known | undefined {
  const candidates = table[end - at]
  if (candidates === undefined) return undefined
  for (const { bytes: key, known } of candidates) {
    // From the end: most keys begin alike.
    let i = key.length - 1
    while (i >= 0 && key[i] === bytes[at + i]) i--
    if (i < 0) return known
  }
  return undefined
}
