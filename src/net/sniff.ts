/** Which protocol a connection speaks, from its first bytes. Pure; the same answer however the bytes are split. */

/** `need-more` is answered only while the bytes so far are a prefix of something known, at most {@link SNIFF_BYTES}. */
export type Sniffed = 'tls' | 'http1' | 'http2' | 'opaque' | 'need-more'

/** The longest method that is taken for one; longer first words are not HTTP. */
const METHOD_BYTES = 24
const SCHEMES = ['http://', 'https://']
/** With so many bytes there always is an answer: an empty line, method, space, scheme. */
export const SNIFF_BYTES = 2 + METHOD_BYTES + 1 + 'https://'.length

const PREFACE = 'PRI * HTTP/2.0'
const CR = 13
const LF = 10
const SPACE = 32
const SLASH = 47
const STAR = 42
/** TLS record header: handshake, then 3 as major version; the minor one is to be ignored (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16

/**
 * Methods whose line is HTTP whatever follows them, so that a malformed request is answered with 400 rather than
 * tunnelled. Any other first word counts only before a target, since SMTP, FTP or SSH begin with a word as well.
 */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']

const TOKEN = new Uint8Array(256)
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  TOKEN[char.charCodeAt(0)] = 1
}

/** Look at `buf[start, end)`. On doubt the answer is `opaque`: bytes that are not understood are still forwarded. */
export function sniff(buf: Uint8Array, start: number, end: number): Sniffed {
  if (start >= end) return 'need-more'
  if (buf[start] === TLS_HANDSHAKE) return sniffTls(buf, start, end)
  const preface = matchText(buf, start, end, PREFACE)
  if (preface !== 'no') return preface === 'yes' ? 'http2' : 'need-more'
  return sniffHttp1(buf, start, end)
}

function sniffTls(buf: Uint8Array, start: number, end: number): Sniffed {
  if (end - start < 2) return 'need-more'
  return buf[start + 1] === 3 ? 'tls' : 'opaque'
}

function sniffHttp1(buf: Uint8Array, start: number, end: number): Sniffed {
  let at = start
  // One empty line before the request line is allowed (RFC 9112 §2.2).
  if (buf[at] === CR) {
    if (at + 1 >= end) return 'need-more'
    if (buf[at + 1] !== LF) return 'opaque'
    at += 2
  }
  const method = at
  const limit = Math.min(end, method + METHOD_BYTES)
  while (at < limit && TOKEN[buf[at]!] === 1) at++
  if (at === end && at - method <= METHOD_BYTES) return at - method === METHOD_BYTES ? 'opaque' : 'need-more'
  if (at === method || buf[at] !== SPACE || at === limit) return 'opaque'
  return isKnownMethod(buf, method, at) ? 'http1' : sniffTarget(buf, at + 1, end)
}

function isKnownMethod(buf: Uint8Array, start: number, end: number): boolean {
  for (const method of METHODS) {
    if (method.length === end - start && matchText(buf, start, end, method) === 'yes') return true
  }
  return false
}

function sniffTarget(buf: Uint8Array, at: number, end: number): Sniffed {
  if (at >= end) return 'need-more'
  if (buf[at] === SLASH || buf[at] === STAR) return 'http1'
  let partial = false
  for (const scheme of SCHEMES) {
    const match = matchText(buf, at, end, scheme, 0x20)
    if (match === 'yes') return 'http1'
    if (match === 'part') partial = true
  }
  return partial ? 'need-more' : 'opaque'
}

/** `part`: all bytes there are match, and more are wanted. `fold` 0x20 ignores the case of letters. */
function matchText(buf: Uint8Array, start: number, end: number, text: string, fold = 0): 'yes' | 'no' | 'part' {
  const length = Math.min(end - start, text.length)
  for (let i = 0; i < length; i++) {
    if ((buf[start + i]! | fold) !== (text.charCodeAt(i) | fold)) return 'no'
  }
  return length === text.length ? 'yes' : 'part'
}
