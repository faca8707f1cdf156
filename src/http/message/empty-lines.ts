/** Empty lines before a request: at least one is to be ignored (RFC 9112 §2.2); more than a few are not. */
import { CR, LF } from './syntax.ts'

/** In bytes. */
const MAX_EMPTY = 4

/** Of one connection. The bytes mean the same in any pieces. */
export class EmptyLines {
  #skipped = 0

  /** A request may begin. */
  reset(): void {
    this.#skipped = 0
  }

  /** Offset behind the empty lines at `start`. */
  skip(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at + 1 < end && this.#skipped < MAX_EMPTY && buf[at] === CR && buf[at + 1] === LF) {
      at += 2
      this.#skipped += 2
    }
    return at
  }

  /** Whether the byte at `at`, less than `end`, is the first of a request: a CR that is the last may be an empty line. */
  begins(buf: Buffer, at: number, end: number): boolean {
    return buf[at] !== CR || at + 1 < end || this.#skipped >= MAX_EMPTY
  }
}
