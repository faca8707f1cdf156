/**
 * Which service answers at an address. A span below a call need not be of the other side: where that sends no spans, it is
 * of whom the other side called. A proxy's server span names the address that its client used, and so proves it.
 */

const MAX = 16_384

export class Addresses<Name extends string | number> {
  readonly #serviceAt = new Map<Name, Name>()
  readonly #known = new Set<Name>()
  readonly #none: Name

  /** `none`: what stands for no address. */
  constructor(none: Name) {
    this.#none = none
  }

  /** A service's own span says at which address it was called, and the caller's span says the same. */
  learn(called: Name, served: Name, service: Name): void {
    if (called === this.#none || called !== served || this.#serviceAt.size >= MAX) return
    this.#serviceAt.set(called, service)
    this.#known.add(service)
  }

  serviceAt(address: Name): Name | undefined {
    return this.#serviceAt.get(address)
  }

  /**
   * A server span of `service`, called at `served` as it says itself, is the other side of a call to `called`. Where both
   * are of our proxies (`bothOurs`) the two are one header, and so the same or not.
   */
  isOtherSide(called: Name, served: Name, service: Name, bothOurs: boolean): boolean {
    if (called === this.#none || called === served) return true
    if (bothOurs && served !== this.#none) return false
    const sure = this.#serviceAt.get(called)
    if (sure !== undefined) return sure === service
    // It is called by an address of its own elsewhere.
    return !this.#known.has(service)
  }
}
