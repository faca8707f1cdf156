/**
 * Reads a stream in units (a head, a field) that must be seen whole, and skips what lies between without copying it.
 * Bytes are kept only where a unit is split over reads, and no more of them than the longest unit has.
 */

/** What {@link UnitReader.unit} answers for a unit that is not there to its end, and for one that cannot be. */
export const MORE = 0
export const DOUBT = -1

const KEEP_AT_FIRST = 256

export abstract class UnitReader {
  readonly #longest: number
  #kept: Buffer | undefined
  #keptBytes = 0
  #doubt = false
  /** Bytes to pass over before the next unit; {@link unit} sets it. */
  protected skip = 0
  /** When the first byte of the unit at hand came, and when the bytes of this read did; microseconds. */
  protected unitUs = 0
  protected readUs = 0
  /** Bytes of all units and gaps that are through. */
  protected taken = 0

  /** `longest`: bytes of the longest unit. */
  constructor(longest: number) {
    this.#longest = longest
  }

  /** Read `buf[start, end)`, which came at `now`. False: in doubt, and every time from then on. */
  feed(buf: Buffer, start: number, end: number, now: number): boolean {
    this.readUs = now
    this.#read(buf, start, end)
    return !this.#doubt
  }

  #read(buf: Buffer, start: number, end: number): void {
    let at = start
    while (at < end && !this.#doubt) {
      if (this.skip > 0) {
        const bytes = Math.min(this.skip, end - at)
        this.skip -= bytes
        this.taken += bytes
        at += bytes
        if (this.skip === 0) this.skipped()
      } else {
        at += this.#keptBytes > 0 ? this.#unitKept(buf, at, end) : this.#unitHere(buf, at, end)
      }
    }
  }

  /** Look for one unit at `buf[start…]`: its length, {@link MORE}, or {@link DOUBT}. */
  protected abstract unit(buf: Buffer, start: number, end: number): number

  /** All of {@link skip} has passed. */
  protected abstract skipped(): void

  #unitHere(buf: Buffer, at: number, end: number): number {
    this.unitUs = this.readUs
    const used = this.unit(buf, at, end)
    if (used === DOUBT || (used === MORE && !this.#keep(buf, at, end))) return this.#fail()
    this.taken += used
    return used === MORE ? end - at : used
  }

  /** A unit whose first bytes came earlier: gives how many of these bytes it took. */
  #unitKept(buf: Buffer, at: number, end: number): number {
    const before = this.#keptBytes
    const taken = Math.min(end - at, this.#longest - before)
    this.#keep(buf, at, at + taken)
    const kept = this.#kept!
    const used = this.unit(kept, 0, this.#keptBytes)
    // With the longest unit's length there, `more` will not come to an end.
    if (used === DOUBT || (used === MORE && this.#keptBytes >= this.#longest)) return this.#fail()
    if (used === MORE) return taken
    this.taken += used
    this.#keptBytes = 0
    if (kept.length > KEEP_AT_FIRST) this.#kept = undefined
    if (used >= before) return used - before
    // The unit looked ahead: what it saw and did not take is read now.
    this.#read(Buffer.from(kept.subarray(used, before)), 0, before - used)
    return 0
  }

  #fail(): number {
    this.#doubt = true
    this.#kept = undefined
    return 0
  }

  #keep(buf: Buffer, start: number, end: number): boolean {
    const needed = this.#keptBytes + end - start
    if (needed > this.#longest) return false
    if (this.#kept === undefined || this.#kept.length < needed) {
      const grown = Buffer.allocUnsafe(Math.min(this.#longest, Math.max(KEEP_AT_FIRST, needed * 2)))
      if (this.#keptBytes > 0) this.#kept!.copy(grown, 0, 0, this.#keptBytes)
      this.#kept = grown
    }
    buf.copy(this.#kept, this.#keptBytes, start, end)
    this.#keptBytes = needed
    return true
  }
}
