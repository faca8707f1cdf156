/** Secrets in query strings: values of the parameters below are replaced before anything leaves the process. */

/** The semantic conventions' list (signed URLs), and names that carry tokens and passwords in practice. */
const SECRET_PARAMETERS = [
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
  'awsaccesskeyid',
  'signature',
  'sig',
  'x-goog-signature',
  'x-goog-credential',
  'access_token',
  'refresh_token',
  'id_token',
  'token',
  'auth',
  'authorization',
  'api_key',
  'apikey',
  'api-key',
  'key',
  'password',
  'passwd',
  'pwd',
  'secret',
  'client_secret',
  'session',
  'sessionid',
  'jwt',
]

const AMPERSAND = 0x26
const EQUALS = 0x3d
const PERCENT = 0x25
const QUESTION = 0x3f
const HASH = 0x23

export class Redactor {
  readonly #names: Set<string>
  /** Whether some secret name has this (length, first letter): lets ordinary queries pass without a string. */
  readonly #shapes = new Uint8Array(64 * 32)

  constructor(more: readonly string[] = []) {
    this.#names = new Set([...SECRET_PARAMETERS, ...more.map((name) => name.toLowerCase())])
    for (const name of this.#names) this.#shapes[Math.min(name.length, 63) * 32 + (name.charCodeAt(0) & 31)] = 1
  }

  /** Whether the query at `bytes[start, end)` (without its question mark) may hold a secret. */
  suspects(bytes: Uint8Array, start: number, end: number): boolean {
    let nameStart = start
    let inName = true
    for (let i = start; i <= end; i++) {
      const byte = i === end ? AMPERSAND : bytes[i]!
      if (inName && byte === PERCENT) return true
      if (byte !== AMPERSAND && !(inName && byte === EQUALS)) continue
      if (inName && i > nameStart) {
        const shape = Math.min(i - nameStart, 63) * 32 + (bytes[nameStart]! & 31)
        if (this.#shapes[shape] === 1) return true
      }
      inName = byte === AMPERSAND
      if (inName) nameStart = i + 1
    }
    return false
  }

  /** The query with secret values replaced by `REDACTED`. */
  query(query: string): string {
    return query
      .split('&')
      .map((pair) => {
        const equals = pair.indexOf('=')
        return equals > 0 && this.isSecret(pair.slice(0, equals)) ? `${pair.slice(0, equals)}=REDACTED` : pair
      })
      .join('&')
  }

  /** A path with query, redacted. */
  path(path: string): string {
    const question = path.indexOf('?')
    return question < 0 ? path : `${path.slice(0, question)}?${this.query(path.slice(question + 1))}`
  }

  /** Whether values of parameters of this name are secrets. */
  isSecret(name: string): boolean {
    if (this.#names.has(name.toLowerCase())) return true
    if (!name.includes('%')) return false
    try {
      return this.#names.has(decodeURIComponent(name).toLowerCase())
    } catch {
      // Not decodable: what it hides is not known, so it is not shown.
      return true
    }
  }
}

/** Position of the `?` in `bytes[start, end)`, or -1. */
export function findQuery(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte === QUESTION) return i
    if (byte === HASH) return -1
  }
  return -1
}

/** A request target that is no path (absolute-form, authority-form), without user name and password. */
export function targetWithoutUserinfo(target: string): string {
  return target.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^/?#]*@/i, '$1')
}

/** An authority without the user name and password before its last `@`. */
export function withoutUserinfo(authority: string): string {
  return authority.slice(authority.lastIndexOf('@') + 1)
}
