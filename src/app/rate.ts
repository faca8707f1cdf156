/** So many a second: a bucket that holds one second's worth. */
export class Rate {
  readonly #perSecond: number
  #left: number
  #atUs = 0

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
  }

  /** Whether one more is allowed at `nowUs`, microseconds of a monotonic clock. */
  take(nowUs: number): boolean {
    if (nowUs > this.#atUs) {
      this.#left = Math.min(this.#perSecond, this.#left + ((nowUs - this.#atUs) / 1e6) * this.#perSecond)
      this.#atUs = nowUs
    }
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
