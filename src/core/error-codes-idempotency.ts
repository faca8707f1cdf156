/** Codes of requests with an Idempotency-Key. */
import type { CodeFacts } from './error-kinds.ts'

export const IDEMPOTENCY_CODES = {} as const satisfies Record<string, CodeFacts>
