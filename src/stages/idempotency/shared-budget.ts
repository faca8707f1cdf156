/**
 * Memory that all principals share. One alone may take most of it; the less is left, the less may one with several holdings
 * have, so that nobody takes what the others need, however many requests it has under way.
 */

/** Together one may hold so many times what is left. */
const OF_THE_REST = 3

/** What one principal holds at the moment. */
export interface Account {
  readonly principal: string
  holdings: number
  bytes: number
}

export class SharedBudget {
  readonly #accounts = new Map<string, Account>()
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  /** Begin a holding; each ends with {@link close}. */
  open(principal: string): Account {
    let account = this.#accounts.get(principal)
    if (account === undefined) {
      account = { principal, holdings: 0, bytes: 0 }
      this.#accounts.set(principal, account)
    }
    account.holdings++
    return account
  }

  /** False: there is no room for them, and nothing was taken. A principal's only holding may have all that there is. */
  take(account: Account, bytes: number): boolean {
    const left = this.#left - bytes
    if (left < 0 || (account.holdings > 1 && account.bytes + bytes > left * OF_THE_REST)) return false
    this.#left = left
    account.bytes += bytes
    return true
  }

  /** The end of a holding, which had `bytes`. */
  close(account: Account, bytes: number): void {
    this.#left += bytes
    account.bytes -= bytes
    if (--account.holdings === 0) this.#accounts.delete(account.principal)
  }
}
