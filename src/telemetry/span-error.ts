/** Which failures count as such, in spans and in metrics alike. */
import { ERROR_CODES, type ErrorCode } from '../core/errors.ts'

/** Whether a failure makes the span an error: a client's fault isn't one of the server, and who cancels knows it. */
export function isSpanError(name: ErrorCode, outbound: boolean, status: number): boolean {
  if (name === 'client_closed') return false
  return outbound || ERROR_CODES[name].source !== 'downstream' || status >= 500
}
