/** Text for a terminal: what comes from the network must not steer it, and columns must stay columns. */

/** Escape and control characters, direction marks, and other characters that show nothing. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu
const COMBINING = /^\p{M}$/u
const NOT_ASCII = /[^\x20-\x7e]/gu
/** East Asian wide characters and emoji, in rough blocks: an approximation of UAX #11. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u
/** Nothing longer is looked at; a terminal line is far shorter. */
const MAX_CHARACTERS = 2000

/** `text` without anything that a terminal would obey. */
export function safeText(text: string, unicode: boolean): string {
  const safe = text.slice(0, MAX_CHARACTERS).replace(UNSAFE, '?')
  return unicode ? safe : safe.replace(NOT_ASCII, '?')
}

/** Columns that safe text takes. */
export function columnsOf(text: string): number {
  let columns = 0
  for (const character of text) columns += widthOf(character)
  return columns
}

function widthOf(character: string): number {
  if (character <= '\x7e') return 1
  return COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1
}

/** Safe text cut to `columns`, with `mark` where something is missing. */
export function cutTo(text: string, columns: number, mark: string): string {
  if (columnsOf(text) <= columns) return text
  let kept = ''
  let room = columns - columnsOf(mark)
  for (const character of text) {
    room -= widthOf(character)
    if (room < 0) break
    kept += character
  }
  return columns < columnsOf(mark) ? mark.slice(0, Math.max(0, columns)) : kept + mark
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - columnsOf(text))) + text
}

/** Three figures at most: `840 µs`, `3.21 ms`, `48.2 ms`, `312 ms`, `1.24 s`. */
export function shownDuration(us: number, unicode: boolean): string {
  if (us < 999.5) return `${Math.round(us)} ${unicode ? 'µs' : 'us'}`
  if (us < 999_500) return `${threeFigures(us / 1000)} ms`
  return `${threeFigures(us / 1_000_000)} s`
}

function threeFigures(value: number): string {
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0)
}
