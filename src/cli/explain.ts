/** `hopscope explain`: the error table for people. */
import { didYouMean } from '../config/suggest.ts'
import { ERROR_CODES, type ErrorCode, type RetryClass } from '../core/errors.ts'

const BLAME = { downstream: 'the client', upstream: 'the upstream', internal: 'the proxy' } as const

/** What the retry class means. */
export const RETRY_MEANING: Readonly<Record<RetryClass, string>> = {
  never: 'not repeated by the proxy: the outcome is unknown, or would be the same',
  safe: 'may be repeated: no byte of the request reached the upstream',
  'if-reused': 'repeated only if the connection was a reused one and the request may be repeated',
}

/** All codes, a line each. */
export function listCodes(): string {
  const entries = Object.entries(ERROR_CODES)
  const width = Math.max(...entries.map(([code]) => code.length))
  return entries.map(([code, { status, title }]) => `${code.padEnd(width)}  ${status}  ${title}`).join('\n')
}

/** One code in full; undefined where there is no such code. */
export function explainCode(code: string): string | undefined {
  if (!Object.hasOwn(ERROR_CODES, code)) return undefined
  const { status, source, retry, title, means, check } = ERROR_CODES[code as ErrorCode]
  return `${code}: ${title}

  Status  ${status}
  Blame   ${BLAME[source]}
  Retry   ${RETRY_MEANING[retry]}
  Means   ${means}
  Check   ${check}`
}

/** For a code that does not exist. */
export function unknownCode(code: string): string {
  const hint = didYouMean(code, Object.keys(ERROR_CODES))
  return `no error code ${JSON.stringify(code)}${hint === '' ? '' : `; ${hint}`} (\`hopscope explain\` lists all)`
}
