/**
 * Pauses at even intervals: when calls of a service that were slow by itself ended, and whether those moments are a steady
 * beat. A pause holds up all calls of an instance, and all of them end with it.
 */

const KEPT = 48
const MAX_SERVICES = 4096
/** Ends so near to each other are of one pause. */
const ONE_S = 0.15
const LONGEST_S = 90
/** Smaller ones among large ones are noise. */
const LEAST_OF_LARGEST = 0.3
const FEWEST = 7
const LEAST_INTERVAL_S = 0.4
/** How far from the beat an interval may be, and how many of them have to fit. */
const OFF_BEAT = 0.15
const MOST = 0.8

interface Ring {
  readonly endS: Float64Array
  readonly excessUs: Float64Array
  next: number
}

export interface Beat {
  readonly everyS: number
  readonly pauses: number
  /** The longest that a call was held up. */
  readonly longestUs: number
}

export class Bursts {
  readonly #rings = new Map<number, Ring>()

  /** A call took so much longer than usual; it ended then, by its own clock. */
  add(service: number, endS: number, excessUs: number): void {
    let ring = this.#rings.get(service)
    if (ring === undefined) {
      if (this.#rings.size >= MAX_SERVICES) return
      ring = { endS: new Float64Array(KEPT), excessUs: new Float64Array(KEPT), next: 0 }
      this.#rings.set(service, ring)
    }
    const last = (ring.next + KEPT - 1) % KEPT
    if (Math.abs(endS - ring.endS[last]!) < ONE_S) {
      ring.excessUs[last] = Math.max(ring.excessUs[last]!, excessUs)
      return
    }
    ring.endS[ring.next] = endS
    ring.excessUs[ring.next] = excessUs
    ring.next = (ring.next + 1) % KEPT
  }

  /** Undefined where they come now and then. */
  beatOf(service: number): Beat | undefined {
    const ring = this.#rings.get(service)
    if (ring === undefined) return undefined
    const latest = Math.max(...ring.endS)
    const longestUs = Math.max(...ring.excessUs.filter((_, i) => latest - ring.endS[i]! < LONGEST_S))
    const ends = [...ring.endS]
      .filter((end, i) => latest - end < LONGEST_S && ring.excessUs[i]! >= longestUs * LEAST_OF_LARGEST)
      .sort((a, b) => a - b)
      .filter((end, i, all) => i === 0 || end - all[i - 1]! >= ONE_S)
    if (ends.length < FEWEST) return undefined
    const intervals = ends.slice(1).map((end, i) => end - ends[i]!)
    const everyS = [...intervals].sort((a, b) => a - b)[Math.floor(intervals.length / 2)]!
    if (everyS < LEAST_INTERVAL_S) return undefined
    // A pause that met no call leaves an interval of two.
    const fits = intervals.filter(
      (one) => one > everyS / 2 && Math.abs(one / everyS - Math.round(one / everyS)) < OFF_BEAT,
    )
    if (fits.length < intervals.length * MOST) return undefined
    return { everyS, pauses: ends.length, longestUs }
  }
}
