/**
 * What is shown of header fields. Values are kept only of fields that are known to be harmless, or that a setting names:
 * a list of dangerous ones would miss the next `X-Acme-Pass`. Credentials and idempotency keys are never kept, whatever
 * the setting says.
 */
import { decodeText } from '../otlp-attributes.ts'
import { type Redactor, withoutUserinfo } from '../redact.ts'

/** In place of a value. */
export const REDACTED = 'REDACTED'

const HARMLESS = (
  'accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials ' +
  'access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers ' +
  'access-control-max-age access-control-request-headers access-control-request-method age allow cache-control ' +
  'connection content-encoding content-language content-length content-range content-type date etag expect expires ' +
  'grpc-accept-encoding grpc-encoding grpc-status grpc-timeout host if-match if-modified-since if-none-match ' +
  'if-range if-unmodified-since keep-alive last-modified location max-forwards origin pragma range referer ' +
  'retry-after server te trailer transfer-encoding upgrade upgrade-insecure-requests user-agent vary via ' +
  'x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-powered-by x-real-ip x-request-id ' +
  'x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled traceparent tracestate idempotent-replayed'
).split(' ')

const NEVER =
  /auth|cookie|token|secret|passw|passphrase|credential|session|signature|jwt|csrf|xsrf|idempotency|(?:^|[-_])(?:key|apikey|sig|pass|pwd|otp)(?:$|[-_])/
/** What masking leaves of a value. */
const MASK = /^\*+$/
/** Their values are, or have, URLs. */
const URLS: ReadonlySet<string> = new Set(['location', 'referer', 'origin'])

/** A name that is known to carry what nobody else may read. */
export const isNeverShown = (name: string): boolean => NEVER.test(name.toLowerCase())

export class HeaderRedactor {
  readonly #shown: ReadonlySet<string>
  /** Those by a hash of their bytes, for names that are not made into strings. */
  readonly #byHash = new Map<number, string[]>()
  readonly #query: Redactor
  readonly #masked: boolean

  /**
   * `more`: further names whose values are shown; `never`: those of which they are not, whatever else holds. `masked`: what
   * is read was masked when it was written, and what is not masked may be shown.
   */
  constructor(query: Redactor, more: readonly string[] = [], never: readonly string[] = [], masked = false) {
    this.#masked = masked
    const hidden = new Set(never.map((name) => name.toLowerCase()))
    const asked = more.map((name) => name.toLowerCase()).filter((name) => !isNeverShown(name))
    this.#shown = new Set([...HARMLESS, ...asked].filter((name) => !hidden.has(name)))
    this.#query = query
    for (const name of this.#shown) {
      const hash = hashOf(Buffer.from(name), 0, name.length)
      this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), name])
    }
  }

  isShown(lowerCaseName: string): boolean {
    return this.#shown.has(lowerCaseName)
  }

  /** The name in `bytes[start, end)` in lower case if its values are shown, else ''. */
  shownIn(bytes: Uint8Array, start: number, end: number): string {
    const names = this.#byHash.get(hashOf(bytes, start, end))
    return names?.find((name) => isName(name, bytes, start, end)) ?? ''
  }

  /** Whether all of a value is shown, whatever it is. */
  isPlain(shownName: string): boolean {
    return shownName !== 'host' && !URLS.has(shownName)
  }

  /** Name as it came, and its value or {@link REDACTED}. */
  field(name: string, value: string): readonly [string, string] {
    const lower = name.toLowerCase()
    if (!this.#isShown(lower, value)) return [name, REDACTED]
    if (URLS.has(lower)) return [name, this.url(value)]
    if (lower === 'host') return [name, withoutUserinfo(value)]
    return [name, value]
  }

  #isShown(lower: string, value: string): boolean {
    return this.#masked ? !isNeverShown(lower) && !MASK.test(value) : this.#shown.has(lower)
  }

  /** Without user, password and fragment (which OAuth puts tokens in), and without secrets in the query. */
  url(value: string): string {
    const [whole = ''] = value.split('#', 1)
    const authority = /^([a-z][a-z0-9+.-]*:)?\/\/([^/?]*)/i.exec(whole)
    const rest = authority === null ? whole : whole.slice(authority[0].length)
    const start = authority === null ? '' : `${authority[1] ?? ''}//${withoutUserinfo(authority[2]!)}`
    return start + this.#query.path(rest)
  }

  /** The fields of a section as a record has it; `cut`: its last field may be a part of one, and is left out. */
  section(text: string, cut: boolean): (readonly [string, string])[] {
    const fields = text.includes('\r\n') ? linesOf(text) : pairsOf(text)
    if (cut) fields.pop()
    return fields.map(([name, value]) => this.field(decodeText(name), decodeText(value)))
  }
}

/** FNV-1a of the bytes in lower case. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ lower(bytes[i]!), 0x01000193)
  return hash
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)

function isName(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (lower(bytes[start + i]!) !== name.charCodeAt(i)) return false
  return true
}

function linesOf(text: string): [string, string][] {
  return text
    .split('\r\n')
    .filter((line) => line.includes(':'))
    .map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
}

function pairsOf(text: string): [string, string][] {
  if (text === '') return []
  const parts = text.split('\n')
  const pairs: [string, string][] = []
  for (let i = 0; i < parts.length; i += 2) pairs.push([parts[i]!, parts[i + 1] ?? ''])
  return pairs
}
