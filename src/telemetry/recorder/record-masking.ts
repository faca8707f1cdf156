/**
 * Secrets in a copy of a record, masked where they stand, so that the record keeps its layout: for what leaves the memory
 * of the process as it is, the mapped file. What is read from there goes through the same redaction as ever.
 */
import * as L from '../record-layout.ts'
import type { RingMemory } from '../ring.ts'
import { viewBody } from './body-redaction.ts'
import { type DetailRedaction, detailsStart, fieldOf } from './details.ts'

const STAR = 0x2a
const AT = 0x40
const LF = 0x0a
const COLON = 0x3a
const QUESTION = 0x3f

/** Mask the EXCHANGE record at word `at`. */
export function maskExchange(memory: RingMemory, at: number, redaction: DetailRedaction): void {
  const { bytes, int32 } = memory
  const flags = int32[at * 2 + L.H_FLAGS]!
  const ids = (at + L.W_STRINGS) * 8 + ((flags & L.F_TRACE) === 0 ? 0 : 48) + ((flags & L.F_PARENT) === 0 ? 0 : 16)
  const pathAt = ids + (int32[at * 2 + L.H_PATH_REQUEST_ID]! >>> 16)
  const pathEnd = pathAt + (int32[at * 2 + L.H_PATH_REQUEST_ID]! & 0xffff)
  maskUrl(bytes, pathAt, pathEnd, redaction)
  if ((flags & L.F_HOST) !== 0) {
    const hostAt = pathEnd + (int32[at * 2 + L.H_STATE_METHOD]! >>> 16)
    maskUserinfo(bytes, hostAt, hostAt + (int32[at * 2 + L.H_HOST_AGENT]! & 0xffff))
  }
  const sections = int32[at * 2 + L.H_SECTIONS]!
  const start = detailsStart(memory, at)
  const middle = start + (sections & 0xffff)
  const end = middle + (sections >>> 16)
  const kept = (flags & L.F_BODIES) === 0 ? undefined : bodyTypes(memory, start, middle, end, redaction)
  maskSection(bytes, start, middle, redaction)
  maskSection(bytes, middle, end, redaction)
  if (kept !== undefined) maskBodies(bytes, end, kept, redaction)
}

function maskUserinfo(bytes: Buffer, start: number, end: number): void {
  const last = bytes.subarray(start, end).lastIndexOf(AT)
  if (last > 0) bytes.fill(STAR, start, start + last)
}

/** Values of secret parameters, byte by byte, so that all stays where it is. */
function maskUrl(bytes: Buffer, start: number, end: number, { query }: DetailRedaction): void {
  const question = endOf(bytes, start, end, QUESTION)
  if (question === end || !query.suspects(bytes, question + 1, end)) return
  const text = bytes.toString('latin1', start, end)
  let from = question + 1 - start
  for (const pair of text.slice(from).split('&')) {
    const equals = pair.indexOf('=')
    if (equals > 0 && query.isSecret(pair.slice(0, equals))) {
      bytes.fill(STAR, start + from + equals + 1, start + from + pair.length)
    }
    from += pair.length + 1
  }
}

/** Values that are not shown, and of URLs all from the first thing on that is not. */
function maskSection(bytes: Buffer, start: number, end: number, { headers }: DetailRedaction): void {
  // The last field of a section that was cut may have lost a part of its name.
  const whole = end - start < L.MAX_SECTION ? end : bytes.subarray(start, end).lastIndexOf(LF) + 1 + start
  bytes.fill(STAR, whole, end)
  const asLines = bytes.subarray(start, whole).includes('\r\n')
  let at = start
  while (at < whole) {
    const nameEnd = endOf(bytes, at, whole, asLines ? COLON : LF)
    const valueEnd = endOf(bytes, nameEnd + 1, whole, LF)
    maskValue(bytes, at, nameEnd, nameEnd + 1, valueEnd, headers)
    at = valueEnd + 1
  }
}

function endOf(bytes: Buffer, start: number, end: number, byte: number): number {
  let at = start
  while (at < end && bytes[at] !== byte) at++
  return at
}

function maskValue(
  bytes: Buffer,
  nameAt: number,
  nameEnd: number,
  start: number,
  end: number,
  headers: DetailRedaction['headers'],
): void {
  const name = headers.shownIn(bytes, nameAt, nameEnd)
  if (name !== '' && headers.isPlain(name)) return
  // Redaction sees values without white space around, and the reader needs the CR.
  let [from, to] = [start, end]
  while (from < to && isSpace(bytes[from]!)) from++
  while (to > from && isSpace(bytes[to - 1]!)) to--
  const value = name === '' ? '' : bytes.toString('latin1', from, to)
  const shown = name === '' ? '' : headers.field(name, value)[1]
  if (shown !== value || name === '') bytes.fill(STAR, from + commonLength(shown, value), to)
}

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d

function commonLength(a: string, b: string): number {
  let i = 0
  while (i < a.length && i < b.length && a[i] === b[i]) i++
  return i
}

type BodyTypes = readonly [readonly [string, string], readonly [string, string]]

/** Content-Type and Content-Encoding of both messages. */
function bodyTypes(
  { bytes }: RingMemory,
  start: number,
  middle: number,
  end: number,
  { headers }: DetailRedaction,
): BodyTypes {
  const types = (from: number, to: number): readonly [string, string] => {
    const fields = headers.section(bytes.toString('latin1', from, to), false)
    return [fieldOf(fields, 'content-type'), fieldOf(fields, 'content-encoding')]
  }
  return [types(start, middle), types(middle, end)]
}

/** Bodies with their secrets out, in the place of what was kept; what cannot be looked through goes. */
function maskBodies(
  bytes: Buffer,
  at: number,
  [requestTypes, responseTypes]: BodyTypes,
  redaction: DetailRedaction,
): void {
  const first = at + 4
  const middle = first + bytes.readUInt16LE(at)
  const end = middle + bytes.readUInt16LE(at + 2)
  const clean = (from: number, to: number, [type, encoding]: readonly [string, string]): Buffer => {
    const { text } = viewBody(bytes.subarray(from, to), to - from, type, encoding, redaction.query)
    return Buffer.from(text ?? '').subarray(0, to - from)
  }
  const request = clean(first, middle, requestTypes)
  const response = clean(middle, end, responseTypes)
  bytes.fill(0, first, end)
  bytes.set(request, first)
  bytes.set(response, first + request.length)
  bytes.writeUInt16LE(request.length, at)
  bytes.writeUInt16LE(response.length, at + 2)
}
