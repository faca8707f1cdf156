/** Finds where responses end on one connection; knows just the framings that the origin and the peers use. */

const HEAD_END = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

export class ResponseReader {
  #head = Buffer.alloc(0)
  /** Bytes of body to come; -1 while the head is incomplete; -2 in a chunked body. */
  #left = -1
  #tail = Buffer.alloc(0)
  /** Responses that were not 200, or not understood. */
  failed = 0

  /** Takes what came; true when it completes the one response that is expected. */
  take(bytes: Buffer): boolean {
    if (this.#left === -1) {
      const all = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
      const end = all.indexOf(HEAD_END)
      if (end === -1) {
        this.#head = Buffer.from(all)
        return false
      }
      this.#readHead(all.toString('latin1', 0, end).toLowerCase())
      this.#head = Buffer.alloc(0)
      return this.#readBody(all.subarray(end + HEAD_END.length))
    }
    return this.#readBody(bytes)
  }

  #readHead(head: string): void {
    if (!head.startsWith('http/1.1 200')) this.failed++
    const at = head.indexOf('\r\ncontent-length:')
    if (at !== -1) this.#left = Number.parseInt(head.slice(at + 17, at + 32), 10)
    else if (head.includes('\r\ntransfer-encoding: chunked')) this.#left = -2
    else {
      this.failed++
      this.#left = 0
    }
  }

  #readBody(bytes: Buffer): boolean {
    if (this.#left >= 0) {
      this.#left -= bytes.length
      if (this.#left > 0) return false
    } else {
      // The origin's bodies hold no such bytes, so that the end is where they stand.
      this.#tail = Buffer.concat([this.#tail, bytes.subarray(-LAST_CHUNK.length)]).subarray(-LAST_CHUNK.length)
      if (!this.#tail.equals(LAST_CHUNK)) return false
      this.#tail = Buffer.alloc(0)
    }
    this.#left = -1
    return true
  }
}
