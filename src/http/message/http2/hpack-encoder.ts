/**
 * HPACK encoder (RFC 7541). A field like one before leaves as an index; others as literals, Huffman-coded where that is
 * shorter. What is secret, or different each time, stays out of the table.
 */
import type { FieldReceiver } from '../../../core/headers.ts'
import { CODE_BYTES_AT_MOST, huffmanEncode } from './hpack-huffman.ts'
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './hpack-static.ts'
import { DEFAULT_TABLE_BYTES, fieldSize, HpackTable } from './hpack-table.ts'

/** How fields of a name are sent. */
const INDEXED = 0
/** Different nearly each time: the table would only churn. */
const UNINDEXED = 1
/** Secret: guessing by compression must not work, here or at a later hop (RFC 7541 §7.1). */
const SECRET = 2
/** Secret while short enough to be guessed. */
const SECRET_IF_SHORT = 3
const SHORT_SECRET = 20

const POLICIES = new Map<string, number>([
  ...[
    ':path',
    'age',
    'content-length',
    'content-range',
    'date',
    'etag',
    'expires',
    'grpc-message',
    'grpc-timeout',
    'hopscope-hop',
    'idempotency-key',
    'if-modified-since',
    'if-none-match',
    'last-modified',
    'location',
    'range',
    'server-timing',
    'traceparent',
    'tracestate',
    'x-b3-parentspanid',
    'x-b3-spanid',
    'x-b3-traceid',
    'b3',
    'x-request-id',
  ].map((name) => [name, UNINDEXED] as const),
  ['authorization', SECRET],
  ['proxy-authorization', SECRET],
  ['cookie', SECRET_IF_SHORT],
  ['set-cookie', SECRET_IF_SHORT],
])

/** Values of a name that are looked for in the table; a name with more is not worth it. */
const VALUES_AT_MOST = 8
/** Names that an encoder remembers; those without an entry in the table go first. */
const NAMES_AT_MOST = 256
/** Longer names are written out each time: a peer must not fill our memory with them. */
const LONGEST_NAME = 128
/** Insertions in vain after which a name is left out of the table, and how many fields later it gets another try. */
const CREDIT = 4
const CREDIT_AT_MOST = 32
const RETRY_AFTER = 64

const staticIndexes = new Map<string, number>()
for (let i = STATIC_ENTRIES; i >= 1; i--) staticIndexes.set(STATIC_NAMES[i]!, i)

/** What an encoder knows of a name. */
class NameState {
  readonly policy: number
  /** First entry of the static table with this name, 0 for none. */
  readonly staticIndex: number
  /** Entries of the dynamic table, oldest first: their values, and their numbers by insertion. */
  readonly values: string[] = []
  readonly numbers: number[] = []
  credit = CREDIT
  passed = 0

  constructor(name: string) {
    this.policy = POLICIES.get(name) ?? INDEXED
    this.staticIndex = staticIndexes.get(name) ?? 0
  }

  /** Forget the entries with numbers below `oldest`: they are not in the table any more. */
  forget(oldest: number): void {
    let gone = 0
    while (gone < this.numbers.length && this.numbers[gone]! < oldest) gone++
    if (gone === 0) return
    this.numbers.splice(0, gone)
    this.values.splice(0, gone)
  }
}

/** Shorter texts than this are written before a native call has found its way. */
const WRITTEN_BY_HAND = 24

interface Latin1 {
  latin1Write(text: string, at: number): number
}

/** First byte of a literal that enters the table (RFC 7541 §6.2.1). */
const WITH_INDEXING = 0x40

/** Where all encoders write. */
let scratch = Buffer.allocUnsafeSlow(16 * 1024)
/** Integers take no more than this. */
const INTEGER_BYTES = 6

/** Encodes the header blocks of one direction of one connection, in the order in which they are sent. */
export class HpackEncoder implements FieldReceiver {
  readonly #maxTableBytes: number
  readonly #table: HpackTable
  readonly #names = new Map<string, NameState>()
  #at = 0
  /** The smallest size since the last block, to be told before the final one; -1 where nothing is to be told. */
  #least = -1

  /** `maxTableBytes`: what we use at most of what the peer lets us. */
  constructor(maxTableBytes = DEFAULT_TABLE_BYTES) {
    this.#maxTableBytes = maxTableBytes
    this.#table = new HpackTable(DEFAULT_TABLE_BYTES)
    this.setPeerTableSize(DEFAULT_TABLE_BYTES)
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. The next block tells it what we make of it. */
  setPeerTableSize(bytes: number): void {
    const size = Math.min(bytes, this.#maxTableBytes)
    if (size === this.#table.capacity) return
    this.#least = this.#least === -1 ? size : Math.min(this.#least, size)
    this.#table.resize(size)
  }

  /** Begin a block; `headroom` bytes before it are left free (for a frame header). Ends what any encoder gave before. */
  begin(headroom = 0): void {
    this.#at = headroom
    if (this.#least === -1) return
    const { capacity } = this.#table
    if (this.#least < capacity) this.#integer(0x20, 0x1f, this.#least)
    this.#integer(0x20, 0x1f, capacity)
    this.#least = -1
  }

  /**
   * Add a field; the name in lower case, both latin1. `neverIndex`: it came as never to be indexed, and is sent so.
   */
  field(name: string, value: string, neverIndex = false): void {
    this.#reserve(name.length + value.length)
    let state = this.#names.get(name)
    if (state === undefined) state = this.#newName(name)
    if (neverIndex || this.#isSecret(state, value)) {
      this.#literal(0x10, 0x0f, state, name, value)
      return
    }
    const index = this.#find(state, name, value)
    if (index !== 0) {
      if (index < 0x7f) scratch[this.#at++] = 0x80 | index
      else this.#integer(0x80, 0x7f, index)
      if (state.credit < CREDIT_AT_MOST) state.credit++
    } else if (this.#isWorthIndexing(state, name, value)) {
      this.#literal(WITH_INDEXING, 0x3f, state, name, value)
      this.#insert(state, name, value)
    } else {
      this.#literal(0, 0x0f, state, name, value)
    }
  }

  onField(name: string, value: string, neverIndex: boolean): void {
    this.field(name, value, neverIndex)
  }

  /** The block, headroom included; valid until the next `begin` of any encoder. */
  finish(): Buffer {
    return scratch.subarray(0, this.#at)
  }

  /** Where {@link length} bytes of the block are, without making a view of them. May change with every field. */
  get buffer(): Buffer {
    return scratch
  }

  get length(): number {
    return this.#at
  }

  #newName(name: string): NameState {
    if (this.#names.size >= NAMES_AT_MOST) {
      for (const [known, state] of this.#names) {
        state.forget(this.#table.inserted - this.#table.count)
        if (state.numbers.length === 0) this.#names.delete(known)
      }
    }
    const state = new NameState(name)
    // A very large table may hold more names than are remembered: then this one is written out each time.
    if (this.#names.size < NAMES_AT_MOST && name.length <= LONGEST_NAME) this.#names.set(name, state)
    else state.credit = 0
    return state
  }

  #isSecret(state: NameState, value: string): boolean {
    return state.policy === SECRET || (state.policy === SECRET_IF_SHORT && value.length < SHORT_SECRET)
  }

  /** Index of this very field in one of the tables, or 0. */
  #find(state: NameState, name: string, value: string): number {
    for (let i = state.staticIndex; i !== 0 && STATIC_NAMES[i] === name; i++) {
      if (STATIC_VALUES[i] === value) return i
    }
    const { inserted, count } = this.#table
    const { numbers, values } = state
    for (let i = numbers.length - 1; i >= 0; i--) {
      if (numbers[i]! < inserted - count) {
        state.forget(inserted - count)
        return 0
      }
      if (values[i] === value) return STATIC_ENTRIES + inserted - numbers[i]!
    }
    return 0
  }

  #isWorthIndexing(state: NameState, name: string, value: string): boolean {
    if (fieldSize(name, value) * 2 > this.#table.capacity) return false
    if (state.policy === UNINDEXED && (name !== ':path' || value.includes('?'))) return this.#isNewName(state)
    if (state.credit > 0) return true
    if (++state.passed < RETRY_AFTER) return false
    state.passed = 0
    return true
  }

  /** One field of a name that is in no table: those after it send the name as an index, if not the value. */
  #isNewName(state: NameState): boolean {
    const newest = state.numbers[state.numbers.length - 1]
    return state.staticIndex === 0 && (newest === undefined || newest < this.#table.inserted - this.#table.count)
  }

  #insert(state: NameState, name: string, value: string): void {
    const number = this.#table.inserted
    if (!this.#table.insert(name, value)) return
    if (state.credit > 0) state.credit--
    state.forget(this.#table.inserted - this.#table.count)
    if (state.numbers.length >= VALUES_AT_MOST) {
      state.numbers.shift()
      state.values.shift()
    }
    state.numbers.push(number)
    state.values.push(value)
  }

  #literal(pattern: number, mask: number, state: NameState, name: string, value: string): void {
    const { inserted, count } = this.#table
    const newest = state.numbers[state.numbers.length - 1]
    if (state.staticIndex !== 0) this.#integer(pattern, mask, state.staticIndex)
    else if (newest !== undefined && newest >= inserted - count) {
      this.#integer(pattern, mask, STATIC_ENTRIES + inserted - newest)
    } else {
      scratch[this.#at++] = pattern
      this.#string(name)
    }
    // What the table keeps is coded once; for what goes by, coding takes more time here and there than its bytes are worth.
    if (pattern === WITH_INDEXING) this.#string(value)
    else this.#plain(value)
  }

  #integer(pattern: number, mask: number, value: number): void {
    if (value < mask) {
      scratch[this.#at++] = pattern | value
      return
    }
    scratch[this.#at++] = pattern | mask
    let rest = value - mask
    while (rest >= 0x80) {
      scratch[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    scratch[this.#at++] = rest
  }

  /** Coded where that is shorter. The length goes before it: of a short text it is one byte, which is left free. */
  #string(text: string): void {
    const { length } = text
    const start = this.#at
    const end = huffmanEncode(text, scratch, start + 1)
    const coded = end - start - 1
    if (coded >= length) this.#plain(text)
    else if (coded < 0x7f) {
      scratch[start] = 0x80 | coded
      this.#at = end
    } else {
      this.#integer(0x80, 0x7f, coded)
      scratch.copyWithin(this.#at, start + 1, end)
      this.#at += coded
    }
  }

  #plain(text: string): void {
    const { length } = text
    this.#integer(0, 0x7f, length)
    if (length > WRITTEN_BY_HAND) (scratch as Buffer & Latin1).latin1Write(text, this.#at)
    else for (let i = 0, at = this.#at; i < length; i++) scratch[at++] = text.charCodeAt(i)
    this.#at += length
  }

  #reserve(characters: number): void {
    const needed = this.#at + characters * CODE_BYTES_AT_MOST + 3 * INTEGER_BYTES
    if (needed <= scratch.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, scratch.length * 2))
    scratch.copy(larger, 0, 0, this.#at)
    scratch = larger
  }
}
