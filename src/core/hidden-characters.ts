/**
 * Characters that show nothing and change how what is around them looks, or steer a terminal: controls (C1 too, whose U+009B
 * begins an escape sequence), marks and overrides of direction, separators, fillers.
 */
const MARKS = String.raw`\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff`
const HIDDEN = new RegExp(String.raw`[\p{Cc}${MARKS}]`, 'gu')
/** Those of them that JSON.stringify leaves as they are. */
const HIDDEN_IN_JSON = new RegExp(String.raw`[\x7f-\x9f${MARKS}]`, 'gu')

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One line of text from outside, to be read by people. */
export function shownText(text: string): string {
  return text.replace(HIDDEN, escaped)
}

/** JSON that says the same and is safe to look at: such characters stand in texts alone. Nearly all of it is ASCII. */
export function shownJson(json: string): string {
  if (Buffer.byteLength(json) === json.length && !json.includes('\x7f')) return json
  return json.replace(HIDDEN_IN_JSON, escaped)
}
