/**
 * Renews the leases of what runs. All last equally long, so that the one begun or renewed first is due first: a list in
 * that order, where joining and leaving cost a few assignments, and one deadline for all.
 */
import { nowUs } from '../../core/clock.ts'
import type { Deadlined, Sweeper } from '../../core/timers.ts'

/** Something with a lease; in at most one list. */
export interface Leased {
  /** The lists' own. */
  leaseDueUs: number
  leaseBefore: Leased | undefined
  leaseAfter: Leased | undefined
  /** To be renewed now. It is in the list again, at its end. */
  onLeaseDue(): void
}

export class Leases implements Deadlined {
  readonly #sweeper: Sweeper
  readonly #everyUs: number
  /** Known to the sweeper: from the first lease to the look that finds none. */
  #joined = false
  #first: Leased | undefined
  #last: Leased | undefined
  deadlineUs = Number.POSITIVE_INFINITY

  constructor(sweeper: Sweeper, everyMs: number) {
    this.#sweeper = sweeper
    this.#everyUs = everyMs * 1000
  }

  /** Join, or begin anew. */
  add(one: Leased): void {
    if (one.leaseDueUs >= 0) this.remove(one)
    one.leaseDueUs = nowUs() + this.#everyUs
    one.leaseBefore = this.#last
    if (this.#last === undefined) this.#first = one
    else this.#last.leaseAfter = one
    this.#last = one
    if (this.#joined) return
    this.#joined = true
    this.deadlineUs = one.leaseDueUs
    this.#sweeper.add(this)
  }

  remove(one: Leased): void {
    if (one.leaseDueUs < 0) return
    one.leaseDueUs = -1
    if (one.leaseBefore === undefined) this.#first = one.leaseAfter
    else one.leaseBefore.leaseAfter = one.leaseAfter
    if (one.leaseAfter === undefined) this.#last = one.leaseBefore
    else one.leaseAfter.leaseBefore = one.leaseBefore
    one.leaseBefore = undefined
    one.leaseAfter = undefined
  }

  onDeadline(now: number): void {
    const last = this.#last
    for (let one = this.#first; one !== undefined && one.leaseDueUs <= now; one = this.#first) {
      this.add(one)
      one.onLeaseDue()
      if (one === last) break
    }
    if (this.#first !== undefined) this.deadlineUs = this.#first.leaseDueUs
    else {
      this.#joined = false
      this.#sweeper.remove(this)
    }
  }
}
