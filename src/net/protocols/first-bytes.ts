/**
 * What the recognition of protocols by their first bytes has in common. A check looks at `buf[0, end)`, the first bytes
 * that one side sent, and its verdict is final: `yes` and `no` stay whatever comes behind, `more` is said only while
 * all bytes so far fit. So the answer is the same however the bytes were split.
 */

/** Names as OpenTelemetry has them for `network.protocol.name` and `db.system.name`. */
export const PROTOCOL_NAMES = ['mqtt', 'thrift', 'redis', 'postgresql', 'mysql', 'kafka'] as const
export type ProtocolName = (typeof PROTOCOL_NAMES)[number]

/** What a connection turned out to speak. */
export interface Recognised {
  readonly name: ProtocolName
  /** Version of the protocol on the wire, '' where the first bytes do not tell. */
  readonly version: string
  /** Which of several forms, `framed binary` for one; '' where there is one only. */
  readonly variant: string
}

export type Verdict = Recognised | 'no' | 'more'
export type Check = (buf: Buffer, end: number) => Verdict

/** So many first bytes of each side are looked at. What is not recognised by then never is. */
export const LOOK_BYTES = 512

/** `buf[at…]` equals these bytes: `yes`, `no`, or `more` while a part of them is missing. */
export function matches(buf: Buffer, end: number, at: number, bytes: Uint8Array): 'yes' | 'no' | 'more' {
  for (let i = 0; i < bytes.length; i++) {
    if (at + i >= end) return 'more'
    if (buf[at + i] !== bytes[i]) return 'no'
  }
  return 'yes'
}

/** Classes of bytes, as tables. */
export function byteClass(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
export const DIGIT = byteClass('0123456789')
export const LETTER = byteClass(LETTERS)
export const LETTER_OR_UNDERSCORE = byteClass(`${LETTERS}_`)
/** Names of methods, with their service before a colon and namespaces before dots. */
export const METHOD_NAME = byteClass(`${LETTERS}0123456789_.:/$-`)

/** All bytes of `buf[start, stop)` that are there belong to the class. */
export function allOf(table: Uint8Array, buf: Buffer, start: number, stop: number): boolean {
  for (let i = start; i < stop; i++) if (table[buf[i]!] !== 1) return false
  return true
}

/** All bytes of `buf[start, stop)` that are there are printable ASCII. */
export function printable(buf: Buffer, start: number, stop: number): boolean {
  for (let i = start; i < stop; i++) if (buf[i]! < 0x20 || buf[i]! > 0x7e) return false
  return true
}
