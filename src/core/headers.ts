/**
 * A header section as it came: one latin1 string plus marks into it, so that names, values, order, case and
 * duplicates are kept and an untouched section is written again by slicing. Edits are marks as well.
 *
 * A block belongs to its parser and is refilled by the next head on that connection: read what you need before the
 * exchange finishes, and copy what you keep.
 */

import type { FieldFilter } from './field-lines.ts'
import { KNOWN_NAMES } from './known-names.ts'

/** Names that have a number; 0 is none of them. */
const KNOWN = KNOWN_NAMES.length
/** Numbers of a field: where name and value begin and end, and its kind. */
const STRIDE = 5
const NAME_END = 1
const VALUE = 2
const VALUE_END = 3
const KIND = 4
/** Bits of a kind: the number of the name, the edit, and where a replaced field's value is. */
const ID_MASK = 0xff
const EDIT_SHIFT = 8
const EDIT_MASK = 3
const PLACE_SHIFT = 10
/** Bits of a known name's number: index of its first field plus one below, so that 0 is none; their count above. */
const INDEX_MASK = 0xfffff
const COUNT_SHIFT = 20
/** That or more. */
const MAX_COUNT = 255
/** More than most sections have. */
const USUAL_FIELDS = 24

/** As it came, in the form we would write ourselves: may be sliced through. */
const KEEP = 0
/** Kept, but written anew from name and value: there was odd white space around the value. */
const REWRITE = 1
const DROPPED = 2
const REPLACED = 3

const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FRAMING = /^(content-length|transfer-encoding)$/i

/** Takes the fields of a section one by one, in order. `neverIndex`: no HPACK table may keep it (RFC 7541 §6.2.3). */
export interface FieldReceiver {
  onField(name: string, value: string, neverIndex: boolean): void
}

/** Shared by all blocks into which nothing was received; never written to. */
const NOTHING_RECEIVED = new Int32Array(KNOWN)

/** A header or trailer section. Indexes run over the fields as received; added fields follow them. */
export class HeaderBlock {
  #text = ''
  /**
   * A number for each known name, then {@link STRIDE} for each field. One array, since a typed array costs some 300 bytes
   * beside its numbers and a microsecond to make, and a connection has two blocks.
   */
  #marks: Int32Array
  /** Values of replaced fields. */
  readonly #values: string[] = []
  #replaced = 0
  /** Names and values of fields added, by turns, at the front. */
  readonly #addedPairs: string[] = []
  #added = 0
  #addedText = ''
  #edited = false
  /** Names and values by turns, for a section that came as pairs (HTTP/2) and not as text. */
  readonly #pairs: string[] = []
  /** Names received as never to be indexed; undefined: none. */
  #secret: Set<string> | undefined
  /** What says how long the body is was added here, and may be wrong by now (see `writeFraming`). */
  framingAdded = false
  /** Number of fields as received, dropped ones included. */
  count = 0

  /** `capacity`: fields that can be received before it grows; 0 where fields are only added, which then costs no array. */
  constructor(capacity = USUAL_FIELDS) {
    this.#marks = capacity === 0 ? NOTHING_RECEIVED : new Int32Array(KNOWN + capacity * STRIDE)
  }

  /** A block made from name and value pairs; throws TypeError where a name or value may not be in a message. */
  static from(pairs: Iterable<readonly [string, string]>): HeaderBlock {
    const block = new HeaderBlock(0)
    for (const [name, value] of pairs) block.append(name, value)
    return block
  }

  /** Empty the block for the next section. */
  reset(): void {
    for (let i = 0; i < this.count; i++) {
      const id = this.idAt(i)
      if (id !== 0) this.#marks[id] = 0
    }
    this.count = 0
    this.#text = ''
    if (this.#edited) {
      this.#edited = false
      if (this.#pairs.length > 0) this.#pairs.length = 0
      this.#secret = undefined
    }
    // The arrays stay as long as they are, since to grow anew costs more; what was in them may be of a long text.
    for (let i = this.#replaced - 1; i >= 0; i--) this.#values[i] = ''
    for (let i = this.#added - 1; i >= 0; i--) this.#addedPairs[i] = ''
    this.#replaced = 0
    this.#added = 0
    this.#addedText = ''
    this.framingAdded = false
  }

  /** Parser only: one received field, as offsets into the text that {@link seal} brings. */
  push(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: number, canonical: boolean): void {
    const at = this.#count(id, canonical)
    this.#marks[at] = nameStart
    this.#marks[at + NAME_END] = nameEnd
    this.#marks[at + VALUE] = valueStart
    this.#marks[at + VALUE_END] = valueEnd
  }

  /** HTTP/2 reader only: one received field, checked, its name in lower case. Not mixed with {@link push}. */
  pushPair(name: string, value: string, id: number, neverIndex: boolean): void {
    this.#count(id, false)
    this.#pairs.push(name, value)
    if (neverIndex) {
      this.#secret ??= new Set()
      this.#secret.add(name)
    }
  }

  /** One more field; gives where its marks are. */
  #count(id: number, canonical: boolean): number {
    const at = KNOWN + this.count++ * STRIDE
    if (at >= this.#marks.length) this.#grow()
    const marks = this.#marks
    marks[at + KIND] = id | ((canonical ? KEEP : REWRITE) << EDIT_SHIFT)
    if (!canonical) this.#edited = true
    if (id !== 0) {
      const known = marks[id]!
      if (known === 0) marks[id] = this.count | (1 << COUNT_SHIFT)
      else if (known >> COUNT_SHIFT < MAX_COUNT) marks[id] = known + (1 << COUNT_SHIFT)
    }
    return at
  }

  /** Parser only: the text that the pushed offsets point into. */
  seal(text: string): void {
    this.#text = text
  }

  #grow(): void {
    const fields = Math.max(8, ((this.#marks.length - KNOWN) / STRIDE) * 2)
    const grown = new Int32Array(KNOWN + fields * STRIDE)
    grown.set(this.#marks)
    this.#marks = grown
  }

  #editAt(index: number): number {
    return (this.#marks[KNOWN + index * STRIDE + KIND]! >> EDIT_SHIFT) & EDIT_MASK
  }

  #edit(index: number, edit: number, place: number): void {
    const at = KNOWN + index * STRIDE + KIND
    this.#marks[at] = (this.#marks[at]! & ID_MASK) | (edit << EDIT_SHIFT) | (place << PLACE_SHIFT)
    this.#edited = true
  }

  /** A part of the sealed text, by the offsets that {@link push} used; the start line of a head lives there too. */
  slice(start: number, end: number): string {
    return this.#text.slice(start, end)
  }

  /** How often a known field was received (255 means that or more). */
  countOf(id: number): number {
    return this.#marks[id]! >> COUNT_SHIFT
  }

  /** Index of the first received field with this number, or -1. */
  firstOf(id: number): number {
    return (this.#marks[id]! & INDEX_MASK) - 1
  }

  /** Known-field number of field `index`, 0 for other names. */
  idAt(index: number): number {
    return this.#marks[KNOWN + index * STRIDE + KIND]! & ID_MASK
  }

  /** Name of field `index`, case as received. */
  nameAt(index: number): string {
    if (this.#pairs.length > 0) return this.#pairs[index * 2]!
    const at = KNOWN + index * STRIDE
    return this.#text.slice(this.#marks[at]!, this.#marks[at + NAME_END]!)
  }

  /** Value of field `index`, latin1, white space around it removed. */
  valueAt(index: number): string {
    const at = KNOWN + index * STRIDE
    if (this.#editAt(index) === REPLACED) return this.#values[this.#marks[at + KIND]! >> PLACE_SHIFT]!
    if (this.#pairs.length > 0) return this.#pairs[index * 2 + 1]!
    return this.#text.slice(this.#marks[at + VALUE]!, this.#marks[at + VALUE_END]!)
  }

  isDropped(index: number): boolean {
    return this.#editAt(index) === DROPPED
  }

  /** First value of a known field, or undefined; received fields only. */
  known(id: number): string | undefined {
    const index = this.firstOf(id)
    return index === -1 || this.isDropped(index) ? undefined : this.valueAt(index)
  }

  /** First value of the field named `name` (any case), added fields included. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase()
    for (let i = 0; i < this.count; i++) {
      if (!this.isDropped(i) && this.#hasName(i, wanted)) return this.valueAt(i)
    }
    for (let i = 0; i < this.#added; i += 2) {
      if (this.#addedPairs[i]!.toLowerCase() === wanted) return this.#addedPairs[i + 1]
    }
    return undefined
  }

  /** All values of a known field as received and not dropped, in their order, with `between` between them. */
  joined(id: number, between: string): string {
    if (this.countOf(id) <= 1) return this.known(id) ?? ''
    const values: string[] = []
    for (let i = this.firstOf(id); i < this.count; i++) {
      if (this.idAt(i) === id && !this.isDropped(i)) values.push(this.valueAt(i))
    }
    return values.join(between)
  }

  /** All values of the fields named `name` (lower case) as received and not dropped, in their order. */
  values(name: string): string[] {
    const values: string[] = []
    for (let i = 0; i < this.count; i++) {
      if (!this.isDropped(i) && this.#hasName(i, name)) values.push(this.valueAt(i))
    }
    return values
  }

  #hasName(index: number, lowerCase: string): boolean {
    if (this.#pairs.length > 0) return this.#pairs[index * 2] === lowerCase
    const at = KNOWN + index * STRIDE
    const length = this.#marks[at + NAME_END]! - this.#marks[at]!
    return length === lowerCase.length && this.nameAt(index).toLowerCase() === lowerCase
  }

  /** Add a field at the end. Throws TypeError on a name or value that may not stand in a message. */
  append(name: string, value: string): void {
    if (!TOKEN.test(name)) throw new TypeError(`not a field name: ${JSON.stringify(name)}`)
    if (BAD_VALUE.test(value)) throw new TypeError(`field ${name}: the value has characters that are not allowed`)
    if (FRAMING.test(name)) this.framingAdded = true
    this.appendOwn(name, value)
  }

  /** Add a field whose name and value this program made itself: not checked again. */
  appendOwn(name: string, value: string): void {
    this.#addedPairs[this.#added++] = name
    this.#addedPairs[this.#added++] = value
    this.#addedText += `${name}: ${value}\r\n`
  }

  /** Replace all fields of this name by one, at the place of the first. Throws like {@link append}. */
  set(name: string, value: string): void {
    if (BAD_VALUE.test(value)) throw new TypeError(`field ${name}: the value has characters that are not allowed`)
    const wanted = name.toLowerCase()
    let first = -1
    for (let i = 0; i < this.count && first === -1; i++) {
      if (!this.isDropped(i) && this.#hasName(i, wanted)) first = i
    }
    this.delete(name)
    if (first === -1) this.append(name, value)
    else this.replaceAt(first, value)
  }

  /** Give field `index` a value of our own making. */
  replaceAt(index: number, value: string): void {
    this.#values[this.#replaced] = value
    this.#edit(index, REPLACED, this.#replaced++)
  }

  /** Make a known field say `value`, at the place of the first one received, or at the end. Others of its name stay. */
  putKnown(id: number, name: string, value: string): void {
    const first = this.firstOf(id)
    if (first === -1) this.appendOwn(name, value)
    else if (this.isDropped(first) || this.valueAt(first) !== value) this.replaceAt(first, value)
  }

  /** Leave field `index` out of what is sent. */
  dropAt(index: number): void {
    this.#edit(index, DROPPED, 0)
  }

  /** Remove every field of this name (any case). */
  delete(name: string): void {
    const wanted = name.toLowerCase()
    for (let i = 0; i < this.count; i++) if (this.#hasName(i, wanted)) this.dropAt(i)
    if (this.#addedText === '') return
    const before = this.#added
    this.#added = 0
    this.#addedText = ''
    for (let i = 0; i < before; i += 2) {
      const added = this.#addedPairs[i]!
      if (added.toLowerCase() !== wanted) this.appendOwn(added, this.#addedPairs[i + 1]!)
    }
  }

  /** Drop every field with this number. */
  dropKnown(id: number): void {
    let left = this.countOf(id)
    for (let i = this.firstOf(id); left > 0 && i >= 0 && i < this.count; i++) {
      if (this.idAt(i) === id) {
        this.dropAt(i)
        if (left < MAX_COUNT) left--
      }
    }
  }

  /** Hand over the fields that will be sent, in order; names in the case that they have here. */
  sendTo(to: FieldReceiver): void {
    for (let i = 0; i < this.count; i++) {
      if (this.isDropped(i)) continue
      const name = this.nameAt(i)
      to.onField(name, this.valueAt(i), this.#secret?.has(name) === true)
    }
    for (let i = 0; i < this.#added; i += 2) to.onField(this.#addedPairs[i]!, this.#addedPairs[i + 1]!, false)
  }

  /**
   * The section as it came, edits aside, for a record of it: `name: value CRLF` lines, or names and values by turns with
   * LF between them where it came as pairs: those cost a microsecond, and are left out unless `pairsToo`. What was added
   * here stands for a section that nobody sent.
   */
  received(pairsToo: boolean): string {
    if (this.count === 0) return this.#addedText
    if (this.#pairs.length > 0) return pairsToo ? this.#pairs.join('\n') : ''
    return this.#text.slice(this.#marks[KNOWN]!, this.#end)
  }

  /** Where the last line of the received text ends. */
  get #end(): number {
    return this.#marks[KNOWN + (this.count - 1) * STRIDE + VALUE_END]! + 2
  }

  /** The fields that will be sent, in order, as [name, value] pairs. */
  *entries(): Generator<[string, string]> {
    for (let i = 0; i < this.count; i++) if (!this.isDropped(i)) yield [this.nameAt(i), this.valueAt(i)]
    for (let i = 0; i < this.#added; i += 2) yield [this.#addedPairs[i]!, this.#addedPairs[i + 1]!]
  }

  /**
   * The section as it is to be sent: `name: value CRLF` lines without the empty line. A run of untouched canonical
   * fields is sliced in one piece, which is byte for byte what writing them one by one would give.
   */
  serialize(): string {
    if (this.count === 0) return this.#addedText
    if (!this.#edited) return this.#text.slice(this.#marks[KNOWN]!, this.#end) + this.#addedText
    return this.#lines(undefined) + this.#addedText
  }

  /** The lines of {@link serialize} less those of a filter. */
  linesWithout(filter: FieldFilter): string {
    let out = this.#lines(filter)
    for (let i = 0; i < this.#added; i += 2) {
      if (!filter.has(this.#addedPairs[i]!)) out += `${this.#addedPairs[i]}: ${this.#addedPairs[i + 1]}\r\n`
    }
    return out
  }

  #isOf(filter: FieldFilter, index: number): boolean {
    const id = this.idAt(index)
    return id === 0 ? filter.has(this.nameAt(index)) : filter.known[id] === 1
  }

  /** Lines of what was received and is to be sent. */
  #lines(without: FieldFilter | undefined): string {
    const marks = this.#marks
    let out = ''
    let run = -1
    for (let i = 0; i < this.count; i++) {
      const edit = without !== undefined && this.#isOf(without, i) ? DROPPED : this.#editAt(i)
      const start = marks[KNOWN + i * STRIDE]!
      if (edit === KEEP) {
        if (run === -1) run = start
        continue
      }
      if (run !== -1) {
        out += this.#text.slice(run, start)
        run = -1
      }
      if (edit !== DROPPED) out += `${this.nameAt(i)}: ${this.valueAt(i)}\r\n`
    }
    return run === -1 ? out : out + this.#text.slice(run, this.#end)
  }
}
