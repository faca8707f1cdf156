/**
 * What diagnosis reads of a span of our proxies beyond the columns: phases, sizes, and what few spans have; from the bytes of
 * its Span message, without making anything of the rest. The intake has checked the structure before
 * (intake/span-scan.ts), so that nothing is checked here again.
 */

/** Attributes whose values are whole numbers. The first six are {@link PhaseScan.values}, in the order of a signature. */
const INTEGERS = [
  ...['hopscope.phase.queue_us', 'hopscope.phase.dns_us', 'hopscope.phase.connect_us', 'hopscope.phase.tls_us'],
  ...['hopscope.phase.send_us', 'hopscope.self_us', 'http.request.body.size', 'http.response.body.size'],
  ...[
    'hopscope.tcp.upstream.resent',
    'hopscope.tcp.downstream.resent',
    'hopscope.pause_us',
    'hopscope.pause_before_us',
  ],
  ...['hopscope.proxy.descriptors', 'hopscope.proxy.descriptors_limit'],
  ...['hopscope.host.conntrack', 'hopscope.host.conntrack_limit', 'hopscope.proxy.dropped_spans'],
] as const
const TEXTS = [
  ...['tls.server.not_after', 'tls.server.not_before', 'hopscope.error.errno'],
  ...['hopscope.upstream.tls.server.not_after', 'hopscope.upstream.tls.server.not_before'],
  ...['hopscope.upstream.tls.client.server_name', 'tls.client.not_after', 'tls.client.not_before'],
  'hopscope.tls.client.identity',
] as const
const PHASES = 6
const REQUEST_SIZE = 6
const RESPONSE_SIZE = 7
const RESENT = 8
const PAUSE = 10
const PAUSE_BEFORE = 11
const DESCRIPTORS = 12
const CONNTRACK = 14
const DROPPED = 16

/** What few spans have; 0 for what it has not. */
export interface Rare {
  /** The proxy's event loop stood still for so long while the exchange was on, or before it could begin; microseconds. */
  readonly pauseUs: number
  readonly pauseBeforeUs: number
  /** Dates of the certificate that the server showed, milliseconds since the epoch. */
  readonly notAfterMs: number
  readonly notBeforeMs: number
  /** The same of the upstream that a server's span led to, and its name. */
  readonly upstreamNotAfterMs: number
  readonly upstreamNotBeforeMs: number
  readonly upstreamName: string
  /** The same of a client that showed one. */
  readonly clientNotAfterMs: number
  readonly clientNotBeforeMs: number
  readonly clientName: string
  readonly descriptors: number
  readonly descriptorsLimit: number
  readonly conntrack: number
  readonly conntrackLimit: number
  /** Spans lost since the last word of it. */
  readonly dropped: number
  /** It failed because there was no descriptor left. */
  readonly exhausted: boolean
}

const KEYS: readonly Uint8Array[] = [...INTEGERS, ...TEXTS].map((key) => Buffer.from(key))
/** Numbers of keys by their length. */
const BY_LENGTH: readonly (readonly number[])[] = Array.from({ length: 48 }, (_, length) =>
  KEYS.flatMap((key, index) => (key.length === length ? [index] : [])),
)
const NONE: readonly number[] = []

const ATTRIBUTE = 0x4a
const KEY = 0x0a
const VALUE = 0x12
const INT = 0x18
const STRING = 0x0a
const MAX_DATES = 4096

export class PhaseScan {
  /** Microseconds; 0 for a phase that was not. A pause of the proxy counts as its own time. */
  values: number[] = []
  /** Segments that were sent again, on either side. */
  resent = 0
  /** Of the larger body. */
  bytes = 0
  rare: Rare | undefined
  readonly #numbers = new Array<number>(INTEGERS.length).fill(0)
  readonly #texts = new Array<string>(TEXTS.length).fill('')
  readonly #dates = new Map<string, number>()
  #isRare = false
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0

  scan(bytes: Uint8Array, at: number, end: number): void {
    const numbers = this.#numbers
    this.#bytes = bytes
    this.#at = at
    numbers.fill(0)
    this.#isRare = false
    while (this.#at < end) {
      const tag = this.#varint()
      const type = tag & 7
      if (type === 2) {
        const stop = this.#varint() + this.#at
        if (tag === ATTRIBUTE) this.#attribute(stop)
        this.#at = stop
      } else if (type === 0) this.#varint()
      else this.#at += type === 1 ? 8 : 4
    }
    this.values = numbers.slice(0, PHASES)
    this.resent = numbers[RESENT]! + numbers[RESENT + 1]!
    this.bytes = Math.max(numbers[REQUEST_SIZE]!, numbers[RESPONSE_SIZE]!)
    this.rare = this.#isRare ? this.#rareOf(numbers) : undefined
    if (this.rare !== undefined) this.values[PHASES - 1]! += this.rare.pauseUs + this.rare.pauseBeforeUs
  }

  #rareOf(numbers: readonly number[]): Rare {
    const texts = this.#texts
    const [errno, upstreamName, clientName] = [texts[2]!, texts[5]!, texts[8]!]
    const dates = [0, 1, 3, 4, 6, 7].map((i) => this.#date(texts[i]!))
    texts.fill('')
    return {
      pauseUs: numbers[PAUSE]!,
      pauseBeforeUs: numbers[PAUSE_BEFORE]!,
      notAfterMs: dates[0]!,
      notBeforeMs: dates[1]!,
      upstreamNotAfterMs: dates[2]!,
      upstreamNotBeforeMs: dates[3]!,
      upstreamName,
      clientNotAfterMs: dates[4]!,
      clientNotBeforeMs: dates[5]!,
      clientName,
      descriptors: numbers[DESCRIPTORS]!,
      descriptorsLimit: numbers[DESCRIPTORS + 1]!,
      conntrack: numbers[CONNTRACK]!,
      conntrackLimit: numbers[CONNTRACK + 1]!,
      dropped: numbers[DROPPED]!,
      exhausted: errno === 'EMFILE' || errno === 'ENFILE',
    }
  }

  #attribute(end: number): void {
    const bytes = this.#bytes
    if (bytes[this.#at] !== KEY) return
    this.#at++
    const length = this.#varint()
    const key = this.#at
    // Most attributes are others: told by a letter or two.
    const first = bytes[key]
    if (first !== 0x68 && first !== 0x74) return
    const index = this.#indexOf(key, length)
    if (index < 0) return
    this.#at = key + length
    if (this.#at >= end || bytes[this.#at] !== VALUE) return
    this.#at++
    this.#varint()
    const type = bytes[this.#at++]
    if (index < INTEGERS.length) {
      if (type !== INT) return
      this.#numbers[index] = this.#varint()
      if (index >= PAUSE) this.#isRare = true
    } else if (type === STRING) {
      const size = this.#varint()
      this.#texts[index - INTEGERS.length] = textAt(bytes, this.#at, Math.min(size, 100))
      this.#isRare = true
    }
  }

  #indexOf(at: number, length: number): number {
    for (const index of BY_LENGTH[length] ?? NONE) if (isAt(this.#bytes, at, KEYS[index]!)) return index
    return -1
  }

  /** Few dates are in use at a time. */
  #date(text: string): number {
    if (text === '') return 0
    const known = this.#dates.get(text)
    if (known !== undefined) return known
    if (this.#dates.size >= MAX_DATES) this.#dates.clear()
    const ms = Date.parse(text) || 0
    this.#dates.set(text, ms)
    return ms
  }

  #varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80 || byte === undefined) return value
    }
  }
}

/** From the end, where keys of one length differ. */
function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = text.length - 1; i >= 0; i--) if (bytes[at + i] !== text[i]) return false
  return true
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += String.fromCharCode(bytes[at + i]!)
  return text
}
