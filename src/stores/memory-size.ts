/** What a record weighs in memory: counted so that the heap does not outgrow the bound (test/stores/memory-*). */
import type { StoredResponse } from '../exchange/idempotency-store.ts'
import type { Entry } from './lifecycle.ts'

/** The entry object, its numbers, its place in a map and in the list of use. */
const ENTRY_BYTES = 512
/** The response object and the backing store of its body. */
const RESPONSE_BYTES = 384
/** A header of a response: the pair and two strings. */
const FIELD_BYTES = 112

/** Bytes of an entry with everything that it alone keeps alive. */
export function sizeOf(entry: Entry, id: string): number {
  const strings =
    id.length + entry.fingerprint.length + entry.requestId.length + entry.traceparent.length + entry.owner.length
  return ENTRY_BYTES + strings + (entry.response === undefined ? 0 : responseSize(entry.response))
}

function responseSize(response: StoredResponse): number {
  const fields = fieldsSize(response.headers) + fieldsSize(response.trailers)
  return RESPONSE_BYTES + fields + (response.body?.length ?? 0)
}

function fieldsSize(fields: StoredResponse['headers']): number {
  let bytes = 0
  for (const [name, value] of fields) bytes += FIELD_BYTES + name.length + value.length
  return bytes
}
