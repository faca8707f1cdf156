/** `hopscope explain`: the tables of errors and of diagnoses for people. */
import { didYouMean } from '../config/suggest.ts'
import { DIAGNOSES, isDiagnosis } from '../core/diagnoses.ts'
import { ERROR_CODES, type ErrorCode, type RetryClass } from '../core/errors.ts'

const BLAME = { downstream: 'the client', upstream: 'the upstream', internal: 'the proxy' } as const

/** What the retry class means. */
export const RETRY_MEANING: Readonly<Record<RetryClass, string>> = {
  never: 'not repeated by the proxy: the outcome is unknown, or would be the same',
  safe: 'may be repeated: no byte of the request reached the upstream',
  'if-reused': 'repeated only if the connection was a reused one and the request may be repeated',
}

/** All codes, a line each, then all diagnoses. */
export function listCodes(): string {
  const entries = Object.entries(ERROR_CODES)
  const width = Math.max(...entries.map(([code]) => code.length))
  const codes = entries.map(([code, { status, title }]) => `${code.padEnd(width)}  ${status}  ${title}`)
  const diagnoses = Object.entries(DIAGNOSES).map(
    ([name, { title, domain }]) => `${name.padEnd(width)}  ${domain}: ${title}`,
  )
  return [...codes, '', 'Diagnoses:', ...diagnoses].join('\n')
}

/** One code or diagnosis in full, both where a name is of both; undefined where there is none. */
export function explainCode(code: string): string | undefined {
  const found = [errorText(code), diagnosisText(code)].filter((text) => text !== undefined)
  return found.length === 0 ? undefined : found.join('\n\n')
}

function diagnosisText(name: string): string | undefined {
  if (!isDiagnosis(name)) return undefined
  const { domain, recognised, title, means, evidence, check } = DIAGNOSES[name]
  return `diagnosis ${name}: ${title}

  Domain  ${domain}
  Seen in ${recognised.length === 0 ? 'nothing by itself: an entry of the runbook' : recognised.join(', ')}
  Means   ${means}
  Shown by ${evidence}
  Check   ${check}`
}

function errorText(code: string): string | undefined {
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
  const hint = didYouMean(code, [...new Set([...Object.keys(ERROR_CODES), ...Object.keys(DIAGNOSES)])])
  return `no error code ${JSON.stringify(code)}${hint === '' ? '' : `; ${hint}`} (\`hopscope explain\` lists all)`
}
