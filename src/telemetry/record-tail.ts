/** The rare parts of a record: attempts of a retried exchange, and what user stages put on the span. */
import type { AttemptRecord, Exchange } from '../exchange/exchange.ts'
import { ExchangeSpan } from './exchange-span.ts'
import type { AttemptTail, UserTail } from './record-layout.ts'

/** Attempts that a record keeps: with its first and last ones a story is told. */
export const MAX_ATTEMPTS = 16

export function attemptTails(log: readonly AttemptRecord[]): AttemptTail[] {
  return log.slice(0, MAX_ATTEMPTS).map((attempt) => ({
    spanId: attempt.spanId,
    startUs: attempt.startUs,
    endUs: attempt.endUs,
    status: attempt.status,
    ...(attempt.error && {
      code: attempt.error.code,
      phase: attempt.error.phase,
      ...(attempt.error.errno !== '' && { errno: attempt.error.errno }),
      ...(attempt.error.connection && { reused: attempt.error.connection.reused }),
    }),
  }))
}

export function userTailOf(x: Exchange): UserTail | undefined {
  const span = x.bag?.get(ExchangeSpan.KEY)
  return span instanceof ExchangeSpan ? span.finish() : undefined
}
