/** A pool with one place, whose callers give it back late: as a leak of connections, it is too small for the calls that come. */

const LONGEST_WAIT_MS = 1000
const RATE_MS = 8000

export class Pool {
  #free: Promise<void> = Promise.resolve()
  readonly #calls: number[] = []

  /**
   * `load`: for how much of the time the place is taken, of as many calls as come; 0: there is no limit. 503 where none
   * came free in time.
   */
  async run(load: number, needed: boolean, work: () => Promise<number>): Promise<number> {
    if (!needed) return 200
    const now = performance.now()
    this.#calls.push(now)
    while (this.#calls[0]! < now - RATE_MS) this.#calls.shift()
    if (load === 0) return work()
    const holdMs = (load * RATE_MS) / this.#calls.length
    let give = (): void => {}
    const before = this.#free
    const mine = new Promise<void>((resolve) => {
      give = resolve
    })
    this.#free = before.then(() => mine)
    const got = await Promise.race([before.then(() => true), after(LONGEST_WAIT_MS)])
    if (!got) {
      give()
      return 503
    }
    const begun = performance.now()
    try {
      return await work()
    } finally {
      setTimeout(give, Math.max(0, holdMs - (performance.now() - begun)))
    }
  }
}

const after = (ms: number): Promise<false> => new Promise((resolve) => setTimeout(resolve, ms, false))
