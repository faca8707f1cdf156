/**
 * Collects the fields of one HTTP/2 header block and holds them to RFC 9113 §8.2 and §8.3. Nothing is dropped in silence:
 * the first fault makes the whole message malformed (a security header that vanishes is worse than a refusal).
 */
import type { FieldReceiver, HeaderBlock } from '../../../core/headers.ts'
import { knownId, knownIdOf } from '../../../core/known-names.ts'
import { LINE, TOKEN } from '../syntax.ts'

/** Names that were found good, with their number; shared, and bounded, for they are nearly always the same. */
const goodNames = new Map<string, number>()
const GOOD_NAMES_AT_MOST = 1024
const LONGEST_KNOWN = 64

/** Fields that speak of one connection of HTTP/1 and may not be here (RFC 9113 §8.2.2). */
const CONNECTION_SPECIFIC = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Which pseudo-header fields a section may have. */
export type SectionKind = 'request' | 'response' | 'trailers'

const COLON = 58
const HOST = knownId('host')

export class FieldSection implements FieldReceiver {
  #kind: SectionKind = 'request'
  #headers: HeaderBlock | undefined
  #cookie: string | undefined
  #cookieIsSecret = false
  #fieldsBegan = false
  /** Host fields of a request, and the first one's value. */
  hosts = 0
  host = ''
  method = ''
  scheme = ''
  path = ''
  authority: string | undefined
  protocol = ''
  status = ''
  /** What is wrong with the section, '' while all is well. Safe to show: never a value. */
  fault = ''

  /** Take the fields of a new section into `headers`, which was reset. */
  begin(kind: SectionKind, headers: HeaderBlock): void {
    this.#kind = kind
    this.#headers = headers
    this.#cookie = undefined
    this.#cookieIsSecret = false
    this.#fieldsBegan = false
    this.hosts = 0
    this.host = ''
    this.method = this.scheme = this.path = this.protocol = this.status = ''
    this.authority = undefined
    this.fault = ''
  }

  onField(name: string, value: string, neverIndex: boolean): void {
    if (this.fault !== '') return
    if (name.charCodeAt(0) === COLON) {
      this.#pseudo(name, value)
      return
    }
    if (!this.#fieldsBegan) this.#beginFields()
    let id = goodNames.get(name)
    if (id === undefined) {
      if (!isGoodName(name)) {
        this.#bad('a field name that is empty, in upper case or not a token')
        return
      }
      if (CONNECTION_SPECIFIC.has(name)) {
        this.#bad(`${name} is not allowed in HTTP/2`)
        return
      }
      id = knownIdOf(name)
      if (goodNames.size < GOOD_NAMES_AT_MOST && name.length <= LONGEST_KNOWN) goodNames.set(name, id)
    }
    if (!isGoodValue(value)) this.#bad(`a character that is not allowed in the value of ${name}`)
    else if (name === 'te' && value.toLowerCase() !== 'trailers') this.#bad('te may say trailers only')
    else if (name === 'cookie') this.#addCookie(value, neverIndex)
    else if (id === HOST && this.#kind === 'request') this.#addHost(value)
    else this.#headers!.pushPair(name, value, id, neverIndex)
  }

  /** :authority is HTTP/1's Host, which should come first (RFC 9110 §7.2). */
  #beginFields(): void {
    this.#fieldsBegan = true
    if (this.authority !== undefined) this.#headers!.pushPair('host', this.authority, HOST, false)
  }

  #addHost(value: string): void {
    if (this.hosts++ === 0) this.host = value
    if (this.authority === undefined) this.#headers!.pushPair('host', value, HOST, false)
  }

  /** All fields were seen: cookies, which may come in crumbs, become one field (RFC 9113 §8.2.3). */
  end(): void {
    if (!this.#fieldsBegan) this.#beginFields()
    if (this.#cookie !== undefined) {
      this.#headers!.pushPair('cookie', this.#cookie, knownIdOf('cookie'), this.#cookieIsSecret)
    }
  }

  #addCookie(value: string, neverIndex: boolean): void {
    this.#cookie = this.#cookie === undefined ? value : `${this.#cookie}; ${value}`
    if (neverIndex) this.#cookieIsSecret = true
  }

  #pseudo(name: string, value: string): void {
    if (this.#fieldsBegan) this.#bad('a pseudo-header field after a regular one')
    else if (this.#kind === 'trailers') this.#bad('a pseudo-header field in the trailers')
    else if (this.#kind === 'response') {
      if (name !== ':status') this.#bad('a pseudo-header field that responses do not have')
      else if (this.status !== '') this.#bad(':status twice')
      else this.status = value
    } else this.#requestPseudo(name, value)
  }

  #requestPseudo(name: string, value: string): void {
    const before =
      name === ':method'
        ? this.method
        : name === ':path'
          ? this.path
          : name === ':scheme'
            ? this.scheme
            : name === ':protocol'
              ? this.protocol
              : ''
    if (before !== '' || (name === ':authority' && this.authority !== undefined)) {
      this.#bad(`${name} twice`)
      return
    }
    if (value === '' && name !== ':authority') this.#bad(`${name} is empty`)
    else if (name === ':method') this.method = value
    else if (name === ':path') this.path = value
    else if (name === ':scheme') this.scheme = value
    else if (name === ':authority') this.authority = value
    else if (name === ':protocol') this.protocol = value
    else this.#bad('an unknown pseudo-header field')
  }

  #bad(fault: string): void {
    this.fault = fault
  }
}

function isGoodName(name: string): boolean {
  if (name.length === 0) return false
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code > 0x7f || TOKEN[code] === 0 || (code >= 0x41 && code <= 0x5a)) return false
  }
  return true
}

/** No control characters, no space at either end (RFC 9113 §8.2.1). */
function isGoodValue(value: string): boolean {
  const { length } = value
  if (length === 0) return true
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(length - 1)
  if (first === 32 || first === 9 || last === 32 || last === 9) return false
  for (let i = 0; i < length; i++) if (LINE[value.charCodeAt(i)] !== 1) return false
  return true
}
