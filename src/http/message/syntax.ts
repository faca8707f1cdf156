/** Byte classes of HTTP/1.1 (RFC 9110 §5.6.2 token, RFC 9112 §3.2 target, RFC 9110 §5.5 field value). */

const table = (accepts: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0))

const tokenBytes = new Set(
  Buffer.from("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 'latin1'),
)

/** tchar. */
export const TOKEN = table((byte) => tokenBytes.has(byte))
/** What may stand in a line: HTAB, SP, VCHAR, obs-text. No CR, LF, NUL, other C0 or DEL. */
export const LINE = table((byte) => byte === 9 || (byte >= 0x20 && byte !== 0x7f))
/** Request target: VCHAR less `#` (a fragment never goes on the wire) and backslash (read as `/` by some servers). */
export const TARGET = table((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23 && byte !== 0x5c)
/** Host: reg-name, IP literal and port, less `,` and userinfo (RFC 3986 §3.2.2). */
export const HOST = table((byte) => {
  const char = String.fromCharCode(byte)
  return byte < 0x80 && /[A-Za-z0-9\-._~%!$&'()*+;=:[\]]/.test(char)
})

/** Hex digit value, or -1. */
export const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16)
  return Number.isNaN(value) ? -1 : value
})

export const CR = 13
export const LF = 10
export const SP = 32
export const HTAB = 9
export const COLON = 58

const NAME = Buffer.from('HTTP/1.', 'latin1')

/** 11 for `HTTP/1.1` at `buf[at]`, 10 for `HTTP/1.0`, 0 for anything else. Eight bytes must be there. */
export function httpVersion(buf: Buffer, at: number): number {
  for (let i = 0; i < NAME.length; i++) if (buf[at + i] !== NAME[i]) return 0
  const minor = buf[at + 7]! - 0x30
  return minor === 0 || minor === 1 ? 10 + minor : 0
}
