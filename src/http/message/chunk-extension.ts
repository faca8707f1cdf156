/**
 * The grammar of chunk extensions, a byte at a time: `*( ";" name [ "=" ( token / quoted-string ) ] )` (RFC 9112
 * §7.1.1). They are dropped, yet what does not fit is refused: a peer that reads such a line another way would see
 * other chunks. The "bad white space" that the RFC lets a recipient parse is refused as well.
 */
import { CR, LINE, TOKEN } from './syntax.ts'

/** After the semicolon. */
export const EXTENSION_NAME_START = 0
const NAME = 1
const VALUE_START = 2
const VALUE = 3
const QUOTED = 4
const ESCAPED = 5
const QUOTED_END = 6
/** The byte was the CR at the end of the line. */
export const EXTENSION_DONE = 7
export const EXTENSION_BAD = -1

const QUOTE = 0x22
const BACKSLASH = 0x5c
const EQUALS = 0x3d
const SEMICOLON = 0x3b

/** The state after `byte`, {@link EXTENSION_DONE} or {@link EXTENSION_BAD}. */
export function stepExtension(state: number, byte: number): number {
  switch (state) {
    case EXTENSION_NAME_START:
      return TOKEN[byte] === 1 ? NAME : EXTENSION_BAD
    case NAME:
      if (TOKEN[byte] === 1) return NAME
      return byte === EQUALS ? VALUE_START : afterExtension(byte)
    case VALUE_START:
      if (byte === QUOTE) return QUOTED
      return TOKEN[byte] === 1 ? VALUE : EXTENSION_BAD
    case VALUE:
      return TOKEN[byte] === 1 ? VALUE : afterExtension(byte)
    case QUOTED:
      if (byte === QUOTE) return QUOTED_END
      if (byte === BACKSLASH) return ESCAPED
      return LINE[byte] === 1 ? QUOTED : EXTENSION_BAD
    case ESCAPED:
      return LINE[byte] === 1 ? QUOTED : EXTENSION_BAD
    default:
      return afterExtension(byte)
  }
}

function afterExtension(byte: number): number {
  if (byte === SEMICOLON) return EXTENSION_NAME_START
  return byte === CR ? EXTENSION_DONE : EXTENSION_BAD
}
