/** Codes of requests with an Idempotency-Key. Titles are those of draft-ietf-httpapi-idempotency-key-header where it has one. */
import { type CodeFacts, client, own } from './error-kinds.ts'

export const IDEMPOTENCY_CODES = {
  idempotency_key_missing: client(
    400,
    'Idempotency-Key is missing',
    'This route takes no request without an Idempotency-Key (`mode: require`).',
    'Send `Idempotency-Key` with a fresh UUID for each operation, and the same one when that operation is tried again.',
  ),
  idempotency_key_invalid: client(
    400,
    'Idempotency-Key is malformed',
    'The key is neither a quoted string (RFC 8941 §3.3.3) nor a bare token, is empty, longer than 255 characters, has others than printable ASCII, or came more than once.',
    'The detail names the fault. A UUID, quoted or not, is always good.',
  ),
  idempotency_no_principal: client(
    400,
    'It is not known whose Idempotency-Key this is',
    'The request does not have what `idempotency.principal` takes for the identity of a caller, and keys of different callers must never meet.',
    'Send the credentials that the route expects, choose another principal, or set `idempotency.withoutPrincipal: address` where clients have addresses of their own.',
  ),
  idempotency_body_too_large: client(
    413,
    'The body is too large for a request with an Idempotency-Key',
    'The body is over `idempotency.maxBodyBytes`: a repeat would have to be read as a whole to be compared.',
    'Raise the limit for the route, or send uploads of that size without a key.',
  ),
  idempotency_key_reused: client(
    422,
    'Idempotency-Key is already used',
    'The key belongs to a request with another body, or another Content-Type or Content-Encoding. This one was not run.',
    'Make a new key for each operation. Bodies are compared byte by byte: a client that tries again must send the very same bytes.',
  ),
  idempotency_in_flight: client(
    409,
    'A request is outstanding for this Idempotency-Key',
    'The first request with this key is still running. This one waited for its answer (`idempotency.waitMs`) and was not run.',
    'Try again after Retry-After: the answer will be replayed once it is there.',
  ),
  idempotency_outcome_unknown: client(
    409,
    'The outcome of the request with this Idempotency-Key is unknown',
    'The first request with this key reached the upstream, and its connection broke, timed out, or the proxy died before the answer was there. It may or may not have run, so it is not run again before the record expires.',
    'Ask the upstream whether the operation took place, then use a new key if it did not. If the upstream knows keys itself, set `onUnknown: retry` for the route.',
  ),
  idempotency_body_not_kept: client(
    409,
    'The request with this Idempotency-Key is complete, its response was not kept',
    'The first request with this key ran to its end. Its response was over `idempotency.maxResponseBytes`; the detail has its status and size. This one was not run.',
    'Read the result by another call, or raise the limit for the route.',
  ),
  idempotency_key_expired: client(
    409,
    'Idempotency-Key has expired',
    'The key was used longer ago than `idempotency.ttlMs`, its answer is gone, and this request was not run.',
    'A client that tries again must do so within the time to live. For a new operation, make a new key.',
  ),
  idempotency_store_down: own(
    503,
    'The store of idempotent answers cannot be reached',
    'Without the store it cannot be known whether a request with this key ran before, and the route refuses to guess (`onStoreDown: closed`).',
    'See the log and /idempotency on the admin port for what the store answers. `onStoreDown: open` forwards such requests, unprotected and marked `idempotency-status: bypassed`.',
  ),
} as const satisfies Record<string, CodeFacts>
