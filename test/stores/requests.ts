/** Claims and responses as the tests of stores make them. */
import { randomBytes } from 'node:crypto'
import type { Claim, ClaimRequest, IdempotencyStore, StoredResponse } from '../../src/exchange/idempotency-store.ts'

export const newId = (): string => randomBytes(16).toString('hex')

export function claimRequest(id: string, more: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    id,
    owner: newId(),
    fingerprint: 'fp-1',
    requestId: 'request-1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    leaseMs: 60_000,
    ttlMs: 3_600_000,
    graceMs: 3_600_000,
    overUnknown: false,
    ...more,
  }
}

export function response(more: Partial<StoredResponse> = {}): StoredResponse {
  const body = more.body ?? Buffer.from('{"charged":true}')
  return {
    status: 201,
    headers: 'Content-Type: application/json\r\n',
    body,
    bodyBytes: body.length,
    trailers: '',
    completedMs: 1_700_000_000_123,
    ...more,
  }
}

/** Claims an id that must be free. */
export async function claimed(store: IdempotencyStore, request: ClaimRequest): Promise<Claim> {
  const result = await store.claim(request)
  if (result.kind !== 'claimed') throw new Error(`expected a free id, it is ${result.record.state}`)
  return result.claim
}

/** The state that a claim meets, `claimed` where it was free. */
export async function claimState(store: IdempotencyStore, request: ClaimRequest): Promise<string> {
  const result = await store.claim(request)
  return result.kind === 'claimed' ? 'free' : result.record.state
}
