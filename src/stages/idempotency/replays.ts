/**
 * Large bodies that are being given again. A store that is not in this memory brings a copy for each repeat, and a client
 * may take its time: all that get one response at once share one copy, and all copies together are bounded.
 */
import type { StoredResponse } from '../../exchange/idempotency-store.ts'
import { type Account, SharedBudget } from './shared-budget.ts'

/** Smaller ones are as good as what a connection holds anyway. */
const LARGE_BYTES = 16 * 1024

interface Copy {
  readonly body: Buffer
  /** Of the response: a later one of the same id is another. */
  readonly completedMs: number
  readonly account: Account
  readers: number
}

/** A body to give, until {@link Replays.giveBack}. */
export interface Loan {
  readonly id: string
  readonly body: Buffer
}

export class Replays {
  readonly #copies = new Map<string, Copy>()
  readonly #budget: SharedBudget

  constructor(maxBytes: number) {
    this.#budget = new SharedBudget(maxBytes)
  }

  /** Undefined: too many are being given. `response` has a body; its id is of that principal. */
  lend(id: string, principal: string, { body, completedMs }: StoredResponse): Loan | undefined {
    if (body!.length < LARGE_BYTES) return { id, body: body! }
    const copy = this.#copies.get(id)
    if (copy?.completedMs === completedMs && copy.body.length === body!.length) {
      copy.readers++
      return { id, body: copy.body }
    }
    if (copy !== undefined) return undefined
    const account = this.#budget.open(principal)
    if (!this.#budget.take(account, body!.length)) {
      this.#budget.close(account, 0)
      return undefined
    }
    this.#copies.set(id, { body: body!, completedMs, account, readers: 1 })
    return { id, body: body! }
  }

  giveBack({ id, body }: Loan): void {
    const copy = this.#copies.get(id)
    if (copy?.body !== body || --copy.readers > 0) return
    this.#copies.delete(id)
    this.#budget.close(copy.account, body.length)
  }
}
