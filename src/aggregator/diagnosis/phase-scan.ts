/**
 * Phases of a span of our proxies, read from the bytes of its Span message without making anything of the rest. The
 * intake has checked the structure before (intake/span-scan.ts), so that nothing is checked here again.
 */

/** Order of {@link PhaseScan.values}: as the measures of a signature. */
const KEYS = ['hopscope.phase.queue_us', 'hopscope.phase.dns_us', 'hopscope.phase.connect_us', 'hopscope.phase.tls_us']
KEYS.push('hopscope.phase.send_us', 'hopscope.self_us')
const RETRANSMITS = ['hopscope.tcp.upstream.retransmits', 'hopscope.tcp.downstream.retransmits']
const ALL = [...KEYS, ...RETRANSMITS].map((key) => Buffer.from(key))
const PREFIX = 'hopscope.'.length

const ATTRIBUTE = 0x4a
const KEY = 0x0a
const VALUE = 0x12
const INT = 0x18

export class PhaseScan {
  /** Microseconds; 0 for a phase that was not. */
  values: number[] = []
  retransmitted = false
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0

  scan(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes
    this.#at = at
    this.values = [0, 0, 0, 0, 0, 0]
    this.retransmitted = false
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
  }

  #attribute(end: number): void {
    const bytes = this.#bytes
    if (bytes[this.#at] !== KEY) return
    this.#at++
    const length = this.#varint()
    const key = this.#at
    // "hopscope." and no other prefix has its point there after an h.
    if (bytes[key] !== 0x68 || bytes[key + PREFIX - 1] !== 0x2e) return
    const index = ALL.findIndex((one) => one.length === length && isAt(bytes, key, one))
    if (index < 0) return
    this.#at = key + length
    if (this.#at >= end || bytes[this.#at] !== VALUE) return
    this.#at++
    this.#varint()
    if (bytes[this.#at] !== INT) return
    this.#at++
    const value = this.#varint()
    if (index < KEYS.length) this.values[index] = value
    else if (value > 0) this.retransmitted = true
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

function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = PREFIX; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}
