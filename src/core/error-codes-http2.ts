/** Codes of HTTP/2 and gRPC. */
import type { CodeFacts } from './error-kinds.ts'

export const HTTP2_CODES = {} as const satisfies Record<string, CodeFacts>
