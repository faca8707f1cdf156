/**
 * Reads Idempotency-Key. The draft wants a structured-field string (RFC 8941 §3.3.3), nearly all clients send a bare
 * one: both mean the same key.
 */
import type { HeaderBlock } from '../../core/headers.ts'
import { knownId } from '../../core/known-names.ts'

/** What came: no key, a key without its quotes, or why it is none. */
export type KeyReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'fault'; readonly fault: string }

const IDEMPOTENCY_KEY = knownId('idempotency-key')
const NONE: KeyReading = { kind: 'none' }
const MAX_LENGTH = 255
/** Printable without space; a comma may have joined two fields, a quote would be half a string. */
const BARE = /^[!#-+\--~]+$/
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"(?:[ \t]*;.*)?$/

const fault = (text: string): KeyReading => ({ kind: 'fault', fault: text })

export function readKey(headers: HeaderBlock): KeyReading {
  const received = headers.countOf(IDEMPOTENCY_KEY)
  if (received === 0) return NONE
  // A stage may have taken fields away.
  const values = received === 1 ? undefined : headers.values('idempotency-key')
  if (values !== undefined && values.length > 1) return fault('there is more than one')
  const value = values === undefined ? headers.known(IDEMPOTENCY_KEY) : values[0]
  return value === undefined ? NONE : parseKey(value)
}

/** One field value; parameters behind a quoted key are passed over. */
export function parseKey(value: string): KeyReading {
  if (value === '') return fault('it is empty')
  let key = value
  if (value.startsWith('"')) {
    const match = QUOTED.exec(value)
    if (match === null) return fault('it is no structured-field string')
    key = match[1]!.replace(/\\(["\\])/g, '$1')
    if (key === '') return fault('it is empty')
  } else if (!BARE.test(value)) return fault('it has characters other than printable ASCII, or a space, comma or quote')
  return key.length > MAX_LENGTH ? fault(`it is longer than ${MAX_LENGTH} characters`) : { kind: 'key', key }
}
