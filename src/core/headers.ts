/**
 * A header section as it came: one latin1 string plus marks into it, so that names, values, order, case and
 * duplicates are kept and an untouched section is written again by slicing. Edits are marks as well.
 *
 * A block belongs to its parser and is refilled by the next head on that connection: read what you need before the
 * exchange finishes, and copy what you keep.
 */

import { KNOWN_NAMES } from './known-names.ts'

const STRIDE = 4
/** As it came, in the form we would write ourselves: may be sliced through. */
const KEEP = 0
/** Kept, but written anew from name and value: there was odd white space around the value. */
const REWRITE = 1
const DROPPED = 2
const REPLACED = 3

const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Takes the fields of a section one by one, in order. `neverIndex`: no HPACK table may keep it (RFC 7541 §6.2.3). */
export interface FieldReceiver {
  onField(name: string, value: string, neverIndex: boolean): void
}

/** Shared by all blocks into which nothing was received; never written to. */
const NO_MARKS = new Int32Array(0)
const NO_BYTES = new Uint8Array(0)
const NONE_FIRST = new Int16Array(KNOWN_NAMES.length).fill(-1)
const NONE_COUNTED = new Uint8Array(KNOWN_NAMES.length)

/** Names of fields, asked for by the number of a known one before the name is looked at. */
export interface FieldFilter {
  /** By number, 1: of the filter. */
  readonly known: Uint8Array
  /** In any case. */
  has(name: string): boolean
}

/** A header or trailer section. Indexes run over the fields as received; added fields follow them. */
export class HeaderBlock {
  #text = ''
  #marks: Int32Array
  #ids: Uint8Array
  #edits: Uint8Array
  #first: Int16Array
  #counts: Uint8Array
  #replaced: (string | undefined)[] = []
  /** Fields added, at the front of the two arrays. */
  #added = 0
  readonly #addedNames: string[] = []
  readonly #addedValues: string[] = []
  #addedText = ''
  #edited = false
  /** Names and values by turns, for a section that came as pairs (HTTP/2) and not as text. */
  readonly #pairs: string[] = []
  /** Names received as never to be indexed; undefined: none. */
  #secret: Set<string> | undefined
  /** Number of fields as received, dropped ones included. */
  count = 0

  /** `capacity`: fields that can be received before it grows; 0 where fields are only added, which then costs no arrays. */
  constructor(capacity = 64) {
    this.#marks = capacity === 0 ? NO_MARKS : new Int32Array(capacity * STRIDE)
    this.#ids = capacity === 0 ? NO_BYTES : new Uint8Array(capacity)
    this.#edits = capacity === 0 ? NO_BYTES : new Uint8Array(capacity)
    this.#first = capacity === 0 ? NONE_FIRST : new Int16Array(KNOWN_NAMES.length).fill(-1)
    this.#counts = capacity === 0 ? NONE_COUNTED : new Uint8Array(KNOWN_NAMES.length)
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
      const id = this.#ids[i]!
      if (id === 0) continue
      this.#first[id] = -1
      this.#counts[id] = 0
    }
    this.count = 0
    this.#text = ''
    if (this.#edited) {
      this.#edited = false
      this.#replaced = []
      if (this.#pairs.length > 0) this.#pairs.length = 0
      this.#secret = undefined
    }
    // The arrays stay as long as they are: to grow anew costs more than what they hold until the next section.
    this.#added = 0
    this.#addedText = ''
  }

  /** Parser only: one received field, as offsets into the text that {@link seal} brings. */
  push(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: number, canonical: boolean): void {
    const index = this.#count(id, canonical)
    const at = index * STRIDE
    this.#marks[at] = nameStart
    this.#marks[at + 1] = nameEnd
    this.#marks[at + 2] = valueStart
    this.#marks[at + 3] = valueEnd
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

  #count(id: number, canonical: boolean): number {
    const index = this.count++
    if (index >= this.#ids.length) this.#grow()
    this.#ids[index] = id
    this.#edits[index] = canonical ? KEEP : REWRITE
    if (!canonical) this.#edited = true
    if (id !== 0) {
      if (this.#first[id] === -1) this.#first[id] = index
      if (this.#counts[id]! < 255) this.#counts[id]!++
    }
    return index
  }

  /** Parser only: the text that the pushed offsets point into. */
  seal(text: string): void {
    this.#text = text
  }

  #grow(): void {
    if (this.#ids.length === 0) {
      this.#marks = new Int32Array(8 * STRIDE)
      this.#ids = new Uint8Array(8)
      this.#edits = new Uint8Array(8)
      this.#first = new Int16Array(KNOWN_NAMES.length).fill(-1)
      this.#counts = new Uint8Array(KNOWN_NAMES.length)
      return
    }
    const grow = <T extends Int32Array | Uint8Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.#marks = grow(this.#marks, new Int32Array(this.#marks.length * 2))
    this.#ids = grow(this.#ids, new Uint8Array(this.#ids.length * 2))
    this.#edits = grow(this.#edits, new Uint8Array(this.#edits.length * 2))
  }

  /** A part of the sealed text, by the offsets that {@link push} used; the start line of a head lives there too. */
  slice(start: number, end: number): string {
    return this.#text.slice(start, end)
  }

  /** How often a known field was received (255 means that or more). */
  countOf(id: number): number {
    return this.#counts[id]!
  }

  /** Index of the first received field with this number, or -1. */
  firstOf(id: number): number {
    return this.#first[id]!
  }

  /** Known-field number of field `index`, 0 for other names. */
  idAt(index: number): number {
    return this.#ids[index]!
  }

  /** Name of field `index`, case as received. */
  nameAt(index: number): string {
    if (this.#pairs.length > 0) return this.#pairs[index * 2]!
    return this.#text.slice(this.#marks[index * STRIDE]!, this.#marks[index * STRIDE + 1]!)
  }

  /** Value of field `index`, latin1, white space around it removed. */
  valueAt(index: number): string {
    if (this.#edits[index] === REPLACED) return this.#replaced[index]!
    if (this.#pairs.length > 0) return this.#pairs[index * 2 + 1]!
    return this.#text.slice(this.#marks[index * STRIDE + 2]!, this.#marks[index * STRIDE + 3]!)
  }

  isDropped(index: number): boolean {
    return this.#edits[index] === DROPPED
  }

  /** First value of a known field, or undefined; received fields only. */
  known(id: number): string | undefined {
    const index = this.#first[id]!
    return index === -1 || this.#edits[index] === DROPPED ? undefined : this.valueAt(index)
  }

  /** First value of the field named `name` (any case), added fields included. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase()
    for (let i = 0; i < this.count; i++) {
      if (this.#edits[i] !== DROPPED && this.#hasName(i, wanted)) return this.valueAt(i)
    }
    for (let i = 0; i < this.#added; i++) {
      if (this.#addedNames[i]!.toLowerCase() === wanted) return this.#addedValues[i]
    }
    return undefined
  }

  /** All values of a known field as received and not dropped, in their order, with `between` between them. */
  joined(id: number, between: string): string {
    if (this.#counts[id]! <= 1) return this.known(id) ?? ''
    const values: string[] = []
    for (let i = this.#first[id]!; i < this.count; i++) {
      if (this.#ids[i] === id && this.#edits[i] !== DROPPED) values.push(this.valueAt(i))
    }
    return values.join(between)
  }

  /** All values of the fields named `name` (lower case) as received and not dropped, in their order. */
  values(name: string): string[] {
    const values: string[] = []
    for (let i = 0; i < this.count; i++) {
      if (this.#edits[i] !== DROPPED && this.#hasName(i, name)) values.push(this.valueAt(i))
    }
    return values
  }

  #hasName(index: number, lowerCase: string): boolean {
    if (this.#pairs.length > 0) return this.#pairs[index * 2] === lowerCase
    const start = this.#marks[index * STRIDE]!
    return (
      this.#marks[index * STRIDE + 1]! - start === lowerCase.length && this.nameAt(index).toLowerCase() === lowerCase
    )
  }

  /** Add a field at the end. Throws TypeError on a name or value that may not stand in a message. */
  append(name: string, value: string): void {
    if (!TOKEN.test(name)) throw new TypeError(`not a field name: ${JSON.stringify(name)}`)
    if (BAD_VALUE.test(value)) throw new TypeError(`field ${name}: the value has characters that are not allowed`)
    this.appendOwn(name, value)
  }

  /** Add a field whose name and value this program made itself: not checked again. */
  appendOwn(name: string, value: string): void {
    this.#addedNames[this.#added] = name
    this.#addedValues[this.#added++] = value
    this.#addedText += `${name}: ${value}\r\n`
  }

  /** Replace all fields of this name by one, at the place of the first. Throws like {@link append}. */
  set(name: string, value: string): void {
    if (BAD_VALUE.test(value)) throw new TypeError(`field ${name}: the value has characters that are not allowed`)
    const wanted = name.toLowerCase()
    let first = -1
    for (let i = 0; i < this.count && first === -1; i++) {
      if (this.#edits[i] !== DROPPED && this.#hasName(i, wanted)) first = i
    }
    this.delete(name)
    if (first === -1) this.append(name, value)
    else this.replaceAt(first, value)
  }

  /** Give field `index` a value of our own making. */
  replaceAt(index: number, value: string): void {
    this.#edits[index] = REPLACED
    this.#replaced[index] = value
    this.#edited = true
  }

  /** Make a known field say `value`, at the place of the first one received, or at the end. Others of its name stay. */
  putKnown(id: number, name: string, value: string): void {
    const at = this.#first[id]!
    if (at === -1) this.appendOwn(name, value)
    else if (this.#edits[at] === DROPPED || this.valueAt(at) !== value) this.replaceAt(at, value)
  }

  /** Leave field `index` out of what is sent. */
  dropAt(index: number): void {
    this.#edits[index] = DROPPED
    this.#edited = true
  }

  /** Remove every field of this name (any case). */
  delete(name: string): void {
    const wanted = name.toLowerCase()
    for (let i = 0; i < this.count; i++) if (this.#hasName(i, wanted)) this.dropAt(i)
    if (this.#addedText === '') return
    const before = this.#added
    this.#added = 0
    this.#addedText = ''
    for (let i = 0; i < before; i++) {
      const added = this.#addedNames[i]!
      if (added.toLowerCase() !== wanted) this.appendOwn(added, this.#addedValues[i]!)
    }
  }

  /** Drop every field with this number. */
  dropKnown(id: number): void {
    let left = this.#counts[id]!
    for (let i = this.#first[id]!; left > 0 && i >= 0 && i < this.count; i++) {
      if (this.#ids[i] === id) {
        this.dropAt(i)
        if (left < 255) left--
      }
    }
  }

  /** Hand over the fields that will be sent, in order; names in the case that they have here. */
  sendTo(to: FieldReceiver): void {
    for (let i = 0; i < this.count; i++) {
      if (this.#edits[i] === DROPPED) continue
      const name = this.nameAt(i)
      to.onField(name, this.valueAt(i), this.#secret?.has(name) === true)
    }
    for (let i = 0; i < this.#added; i++) to.onField(this.#addedNames[i]!, this.#addedValues[i]!, false)
  }

  /**
   * The section as it came, edits aside, for a record of it: `name: value CRLF` lines, or names and values by turns with
   * LF between them where it came as pairs: those cost a microsecond, and are left out unless `pairsToo`. What was added
   * here stands for a section that nobody sent.
   */
  received(pairsToo: boolean): string {
    if (this.count === 0) return this.#addedText
    if (this.#pairs.length > 0) return pairsToo ? this.#pairs.join('\n') : ''
    return this.#text.slice(this.#marks[0]!, this.#marks[this.count * STRIDE - 1]! + 2)
  }

  /** The fields that will be sent, in order, as [name, value] pairs. */
  *entries(): Generator<[string, string]> {
    for (let i = 0; i < this.count; i++) if (this.#edits[i] !== DROPPED) yield [this.nameAt(i), this.valueAt(i)]
    for (let i = 0; i < this.#added; i++) yield [this.#addedNames[i]!, this.#addedValues[i]!]
  }

  /**
   * The section as it is to be sent: `name: value CRLF` lines without the empty line. A run of untouched canonical
   * fields is sliced in one piece, which is byte for byte what writing them one by one would give.
   */
  serialize(): string {
    const count = this.count
    if (count === 0) return this.#addedText
    const marks = this.#marks
    const text = this.#text
    if (!this.#edited) return text.slice(marks[0]!, marks[count * STRIDE - 1]! + 2) + this.#addedText
    return this.#lines(undefined) + this.#addedText
  }

  /** The lines of {@link serialize} less those of a filter. */
  linesWithout(filter: FieldFilter): string {
    let out = this.#lines(filter)
    for (let i = 0; i < this.#added; i++) {
      if (!filter.has(this.#addedNames[i]!)) out += `${this.#addedNames[i]}: ${this.#addedValues[i]}\r\n`
    }
    return out
  }

  #isOf(filter: FieldFilter, index: number): boolean {
    const id = this.#ids[index]!
    return id === 0 ? filter.has(this.nameAt(index)) : filter.known[id] === 1
  }

  /** Lines of what was received and is to be sent. */
  #lines(without: FieldFilter | undefined): string {
    const marks = this.#marks
    let out = ''
    let run = -1
    for (let i = 0; i < this.count; i++) {
      const edit = without !== undefined && this.#isOf(without, i) ? DROPPED : this.#edits[i]!
      if (edit === KEEP) {
        if (run === -1) run = marks[i * STRIDE]!
        continue
      }
      if (run !== -1) {
        out += this.#text.slice(run, marks[i * STRIDE]!)
        run = -1
      }
      if (edit !== DROPPED) out += `${this.nameAt(i)}: ${this.valueAt(i)}\r\n`
    }
    return run === -1 ? out : out + this.#text.slice(run, marks[this.count * STRIDE - 1]! + 2)
  }
}
