/** The rare parts of a record: attempts of a retried exchange, and what user stages put on the span. */
import type { AttemptRecord, Exchange } from '../exchange/exchange.ts'
import { ExchangeSpan } from './exchange-span.ts'
import type { AttemptTail, Notes, RecordTail, UserTail } from './record-layout.ts'
import { webSocketAttributes } from './websocket-facts.ts'

/** Attempts that a record keeps: with its first and last ones a story is told. */
export const MAX_ATTEMPTS = 16

export function attemptTails(log: readonly AttemptRecord[]): AttemptTail[] {
  return log.slice(0, MAX_ATTEMPTS).map((attempt) => ({
    spanId: attempt.spanId,
    ...(attempt.target && { target: attempt.target }),
    ...(attempt.peer && { peer: attempt.peer }),
    startUs: attempt.startUs,
    endUs: attempt.endUs,
    status: attempt.status,
    ...(attempt.grpcStatus >= 0 && { grpcStatus: attempt.grpcStatus }),
    ...(attempt.error && {
      code: attempt.error.code,
      phase: attempt.error.phase,
      ...(attempt.error.errno !== '' && { errno: attempt.error.errno }),
      ...(attempt.error.connection && { reused: attempt.error.connection.reused }),
    }),
  }))
}

/** Time that attempts before the last one took, microseconds: the phases of the exchange begin behind it. */
export function retriedUs(attempts: readonly AttemptTail[]): number {
  const [first] = attempts
  return first === undefined ? 0 : Math.max(0, attempts.at(-1)!.startUs - first.startUs)
}

/** What user stages put on the span, what was seen of a WebSocket, and what the proxy notes of itself. */
export function userTailOf(x: Exchange, notes: Notes | undefined): UserTail | undefined {
  const span = x.bag?.get(ExchangeSpan.KEY)
  const user = span instanceof ExchangeSpan ? span.finish() : undefined
  if (x.webSocket === undefined && notes === undefined) return user
  const seen = x.webSocket === undefined ? [] : webSocketAttributes(x.webSocket, x.timing.startUs)
  if (notes !== undefined) seen.push(...notes)
  return { ...user, attributes: [...seen, ...(user?.attributes ?? [])] }
}

/** The tail in `length` bytes from `at`. */
export function readTail(bytes: Buffer, at: number, length: number): RecordTail | undefined {
  try {
    return JSON.parse(bytes.toString('utf8', at, at + length)) as RecordTail
  } catch {
    return undefined
  }
}
