/** The Connection header and what it does to the others (RFC 9110 §7.6.1). */
import type { HeaderBlock } from '../../core/headers.ts'
import { knownId } from '../../core/known-names.ts'

const CONNECTION = knownId('connection')

/** Fields that a peer may not have stripped on its word: framing, routing, credentials, forwarding, tracing. */
const PROTECTED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'authorization',
  'cookie',
  'set-cookie',
  'expect',
  'x-request-id',
  'traceparent',
  'tracestate',
  'baggage',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'hopscope-hop',
  'idempotency-key',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
  'via',
  'cache-control',
])

/** What the Connection header of a message says. */
export interface ConnectionOptions {
  close: boolean
  keepAlive: boolean
  upgrade: boolean
  /** A nominated field that may not be nominated, '' when there is none. */
  forbidden: string
}

/** Fields that the message at hand nominates, one array for all. */
const nominated: string[] = []
/** More are looked up in one pass over the fields, so that a head of nothing but options costs no more than another. */
const FEW = 4

/**
 * Read all Connection fields, drop the fields they nominate, and drop Connection itself: it is never passed on. Must
 * run before fields of our own are added, so that ours cannot be nominated.
 */
export function takeConnectionOptions(headers: HeaderBlock, options: ConnectionOptions): void {
  options.close = false
  options.keepAlive = false
  options.upgrade = false
  options.forbidden = ''
  let left = headers.countOf(CONNECTION)
  for (let i = headers.firstOf(CONNECTION); left > 0 && i < headers.count; i++) {
    if (headers.idAt(i) !== CONNECTION) continue
    // A count of 255 means that or more: look at all fields then.
    if (left < 255) left--
    readValue(headers.valueAt(i), options)
    headers.dropAt(i)
  }
  if (nominated.length > 0) dropNominated(headers)
}

function dropNominated(headers: HeaderBlock): void {
  if (nominated.length > FEW) {
    const names = new Set(nominated)
    for (let i = 0; i < headers.count; i++) if (names.has(headers.nameAt(i).toLowerCase())) headers.dropAt(i)
  } else for (const name of nominated) headers.delete(name)
  nominated.length = 0
}

function readValue(value: string, options: ConnectionOptions): void {
  // The two values that nearly every message has.
  if (value === 'keep-alive' || value === 'Keep-Alive') {
    options.keepAlive = true
    return
  }
  if (value === 'close') {
    options.close = true
    return
  }
  for (const part of value.toLowerCase().split(',')) {
    const name = part.trim()
    if (name === 'close') options.close = true
    else if (name === 'keep-alive') options.keepAlive = true
    else if (name === 'upgrade') options.upgrade = true
    else if (PROTECTED.has(name)) options.forbidden = name
    else if (name !== '' && name !== 'te') nominated.push(name)
  }
}
