/**
 * Reads lines of a header or trailer section, strictly (RFC 9112 §2.2, §5): every line ends in CRLF, no bare CR or
 * LF, no control characters, no folding, no space before the colon. Heads and trailers share this one reader.
 *
 * It can be called again with more bytes of the same section; offsets are relative to the section's first byte, so
 * that the caller may move the bytes between calls. Work already done is not repeated.
 */
import type { HeaderBlock } from '../../core/headers.ts'
import { classifyName, knownId } from '../../core/known-names.ts'
import { latin1 } from '../../core/latin1.ts'
import { COLON, CR, HTAB, LF, LINE, SP, TOKEN } from './syntax.ts'

/** The section is not complete yet. */
export const NEED_MORE = 0
/** The section is malformed; {@link SectionReader.fault} says how. */
export const FAULT = -1

/** Why a section was refused. */
export type SectionFault = 'none' | 'start-line' | 'field' | 'too-large' | 'start-line-too-long'

/** Bounds of a section, in bytes and fields. */
export interface SectionLimits {
  readonly headBytes: number
  readonly headFields: number
  readonly requestLineBytes: number
}

/** Takes the start line; false refuses it. Offsets are absolute in `buf`. */
export type StartLineParser = (buf: Buffer, start: number, end: number) => boolean

const CONTENT_LENGTH = knownId('content-length')
const TRANSFER_ENCODING = knownId('transfer-encoding')

/** Reader of one section at a time. */
export class SectionReader {
  readonly #limits: SectionLimits
  readonly #startLine: StartLineParser | undefined
  #scan = 0
  #line = 0
  #inFields: boolean
  fault: SectionFault = 'none'
  /** Safe words on where the fault is. */
  detail = ''

  constructor(limits: SectionLimits, startLine: StartLineParser | undefined) {
    this.#limits = limits
    this.#startLine = startLine
    this.#inFields = startLine === undefined
  }

  /** Forget the section; the next read begins a new one. */
  reset(): void {
    this.#scan = 0
    this.#line = 0
    this.#inFields = this.#startLine === undefined
    this.fault = 'none'
    this.detail = ''
  }

  /** Whether a byte of the section's first line has been seen. */
  get begun(): boolean {
    return this.#scan > 0
  }

  /**
   * Read the section that begins at `start`. Returns its length with the empty line, {@link NEED_MORE} or
   * {@link FAULT}. Fields go into `block`, which the caller has reset, and are sealed with the section's text.
   */
  read(buf: Buffer, start: number, end: number, block: HeaderBlock): number {
    const view = viewOf(buf)
    let at = start + this.#scan
    let line = start + this.#line
    for (;;) {
      at = skipPlain(view, at, end)
      while (at < end && LINE[buf[at]!] === 1) at++
      // The first line first, so that a target over both limits gets the same answer in one read as in several.
      if (!this.#inFields && at - line > this.#limits.requestLineBytes) {
        return this.#refuse('start-line-too-long', 'the first line is over its limit')
      }
      if (at - start > this.#limits.headBytes) return this.#refuse('too-large', 'the section is over the byte limit')
      if (at >= end || (buf[at] === CR && at + 1 >= end)) {
        this.#scan = at - start
        this.#line = line - start
        return NEED_MORE
      }
      if (buf[at] !== CR) return this.#refuseByte(buf[at]!)
      if (buf[at + 1] !== LF) return this.#refuseByte(CR)
      if (this.#inFields) {
        if (at === line) {
          block.seal(latin1(buf, start, at))
          return at + 2 - start
        }
        if (!this.#field(buf, start, line, at, block)) return FAULT
      } else if (this.#startLine!(buf, line, at)) {
        this.#inFields = true
      } else {
        return this.#refuse('start-line', '')
      }
      at += 2
      line = at
    }
  }

  #field(buf: Buffer, base: number, start: number, end: number, block: HeaderBlock): boolean {
    let at = start
    while (TOKEN[buf[at]!] === 1) at++
    if (at === start) return this.#bad(buf[at] === SP || buf[at] === HTAB ? 'folded line' : 'empty or bad field name')
    if (buf[at] !== COLON) {
      return this.#bad(at >= end ? 'a line without colon' : 'a field name with a character that is not allowed')
    }
    const nameEnd = at++
    let valueEnd = end
    let canonical = buf[at] === SP
    if (canonical) at++
    if (buf[at] === SP || buf[at] === HTAB) {
      canonical = false
      while (at < end && (buf[at] === SP || buf[at] === HTAB)) at++
    }
    while (valueEnd > at && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HTAB)) {
      valueEnd--
      canonical = false
    }
    if (block.count >= this.#limits.headFields) {
      this.#refuse('too-large', 'more fields than allowed')
      return false
    }
    const id = classifyName(buf, start, nameEnd)
    // Allowed by the grammar; strict parsers refuse it all the same, and whoever reads on would not see this framing.
    if (!canonical && (id === CONTENT_LENGTH || id === TRANSFER_ENCODING) && hasTab(buf, valueEnd, end)) {
      return this.#bad('a tab after a framing field')
    }
    block.push(start - base, nameEnd - base, at - base, valueEnd - base, id, canonical)
    return true
  }

  #bad(detail: string): boolean {
    this.#refuse('field', detail)
    return false
  }

  #refuseByte(byte: number): typeof FAULT {
    const what = byte === LF ? 'a bare LF' : byte === CR ? 'a bare CR' : `byte 0x${byte.toString(16).padStart(2, '0')}`
    return this.#refuse(this.#inFields ? 'field' : 'start-line', `${what} in a line`)
  }

  #refuse(fault: SectionFault, detail: string): typeof FAULT {
    this.fault = fault
    if (this.detail === '') this.detail = detail
    return FAULT
  }
}

let lastBuf: Buffer | undefined
let lastView: DataView | undefined

/** Nearly all heads come in the one shared read buffer, whose view is made once. */
function viewOf(buf: Buffer): DataView {
  if (buf === lastBuf) return lastView!
  lastBuf = buf
  lastView = new DataView(buf.buffer, buf.byteOffset, buf.length)
  return lastView
}

const ALL_01 = 0x01010101
const ALL_20 = 0x20202020
const ALL_7F = 0x7f7f7f7f
const HIGH_BITS = 0x80808080

/**
 * Offset behind bytes that may stand in a line, eight at a time, since half the price of a head is to look at each of its
 * bytes: a word with a byte under 0x20 or a DEL ends it (subtract, and see where a borrow came out). A tab does so too,
 * as do the last few bytes: what may follow is looked at byte by byte.
 */
function skipPlain(view: DataView, start: number, end: number): number {
  let at = start
  while (at + 7 < end) {
    const a = view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    const delA = a ^ ALL_7F
    const delB = b ^ ALL_7F
    const first = (((a - ALL_20) & ~a) | ((delA - ALL_01) & ~delA)) & HIGH_BITS
    const second = (((b - ALL_20) & ~b) | ((delB - ALL_01) & ~delB)) & HIGH_BITS
    if ((first | second) !== 0) return first === 0 ? at + 4 : at
    at += 8
  }
  return at
}

function hasTab(buf: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buf[at] === HTAB) return true
  return false
}
