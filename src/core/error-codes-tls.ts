/** Codes of TLS, on either side. */
import type { CodeFacts } from './error-kinds.ts'

export const TLS_CODES = {} as const satisfies Record<string, CodeFacts>
