/**
 * What is shown of bodies: JSON and forms, in which secrets have names. Whatever else a body is, nobody can tell what is
 * in it, and it is left out with a word why.
 */
import type { Redactor } from '../redact.ts'
import { isNeverShown, REDACTED } from './header-redaction.ts'

/** The first part of a body as text. */
export interface BodyView {
  readonly text?: string
  /** Bytes of it that were kept. */
  readonly kept: number
  /** All of it. */
  readonly bytes: number
  /** Values that were replaced. */
  readonly redacted?: number
  /** Why there is no text. */
  readonly omitted?: string
}

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\b|^application\/(?:x-)?ndjson\b/i
const FORM_TYPE = /^application\/x-www-form-urlencoded\b/i
const STRING = /"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)/y
/** What is a credential whatever its name: schemes of Authorization, JSON web tokens, keys in PEM. */
const CREDENTIAL = /^(?:bearer|basic|digest|negotiate) |\beyJ[\w-]{8,}\.|-----BEGIN/i
const PAIR = /([?&#]|^)([^=&?#\s]+)=([^&#\s]*)/g
const NUMBER_OR_WORD = /[^\s,\]}]+/y

/** `type` and `encoding`: Content-Type and Content-Encoding, '' where there was none. */
export function viewBody(kept: Buffer, bytes: number, type: string, encoding: string, names: Redactor): BodyView {
  const sizes = { kept: kept.length, bytes }
  if (encoding !== '' && encoding.toLowerCase() !== 'identity') return { ...sizes, omitted: `it is ${encoding}` }
  const text = kept.toString('utf8')
  const found = JSON_TYPE.test(type) ? inJson(text, names) : FORM_TYPE.test(type) ? inForm(text, names) : undefined
  if (found === undefined)
    return { ...sizes, omitted: type === '' ? 'it has no type' : `it is ${type.split(';', 1)[0]}` }
  return found.redacted === 0 ? { ...sizes, text: found.text } : { ...sizes, ...found }
}

interface Found {
  readonly text: string
  readonly redacted: number
}

function isSecret(name: string, names: Redactor): boolean {
  // `accessKey`, `access_key` and `access-key` are one name.
  const parted = name.replace(/([a-z0-9])([A-Z])/g, '$1-$2')
  return isNeverShown(parted) || names.isSecret(name)
}

function inForm(text: string, names: Redactor): Found {
  let redacted = 0
  const pairs = text.split('&').map((pair) => {
    const equals = pair.indexOf('=')
    const [name, value] = equals < 0 ? ['', pair] : [pair.slice(0, equals), pair.slice(equals + 1)]
    if (!isSecret(decoded(name), names) && !CREDENTIAL.test(decoded(value))) return pair
    redacted++
    return `${name}=${REDACTED}`
  })
  return { text: pairs.join('&'), redacted }
}

/** What is not decodable is taken for a secret. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return 'secret'
  }
}

/** A walk over the tokens; bodies that were cut, and those that are no JSON after all, have them too. */
function inJson(text: string, names: Redactor): Found {
  let out = ''
  let redacted = 0
  let at = 0
  while (at < text.length) {
    if (text[at] !== '"') {
      out += text[at++]
      continue
    }
    const token = stringAt(text, at)
    at += token.length
    const colon = /\s*:\s*/y
    colon.lastIndex = at
    const between = colon.exec(text)
    if (between === null) {
      const value = valueText(token, names)
      if (value !== token) redacted++
      out += value
      continue
    }
    out += token + between[0]
    at += between[0].length
    if (!isSecret(unquoted(token), names)) continue
    const end = skipValue(text, at)
    if (end > at) {
      out += `"${REDACTED}"`
      redacted++
    }
    at = end
  }
  return { text: out, redacted }
}

function stringAt(text: string, at: number): string {
  STRING.lastIndex = at
  return STRING.exec(text)?.[0] ?? text.slice(at)
}

function unquoted(token: string): string {
  try {
    return JSON.parse(token) as string
  } catch {
    return 'secret'
  }
}

/** A string that is a value: whole credentials, and those in URLs. */
function valueText(token: string, names: Redactor): string {
  if (CREDENTIAL.test(token.slice(1)) || CREDENTIAL.test(unquoted(token))) return `"${REDACTED}"`
  const url = token.replace(/\/\/[^/?"\s@]*@/, `//${REDACTED}@`)
  return url.replace(PAIR, (pair, before: string, name: string) =>
    isSecret(name.replace(/^"/, ''), names) ? `${before}${name}=${REDACTED}${pair.endsWith('"') ? '"' : ''}` : pair,
  )
}

/** Where the value at `at` ends; that of a body that was cut with the text. */
function skipValue(text: string, at: number): number {
  let depth = 0
  let i = at
  while (i < text.length) {
    const char = text[i]!
    if (char === '"') i += stringAt(text, i).length
    else if (char === '{' || char === '[') {
      depth++
      i++
    } else if (char === '}' || char === ']') {
      if (depth === 0) return i
      depth--
      i++
    } else if (depth > 0) {
      i++
      continue
    } else {
      NUMBER_OR_WORD.lastIndex = i
      const word = NUMBER_OR_WORD.exec(text)?.[0] ?? ''
      return word === '' ? i : i + word.length
    }
    if (depth === 0) return i
  }
  return text.length
}
