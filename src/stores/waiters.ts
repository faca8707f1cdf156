/** Those in this process who wait for a record to change. As many as requests that wait: their bound is the server's. */
export class Waiters {
  readonly #byId = new Map<string, Set<() => void>>()

  /** Resolves at {@link notify} of the id, after `timeoutMs`, or at {@link close}. */
  wait(id: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#remove(id, done)
        resolve()
      }
      const timer = setTimeout(done, Math.max(0, timeoutMs))
      const waiting = this.#byId.get(id)
      if (waiting === undefined) this.#byId.set(id, new Set([done]))
      else waiting.add(done)
    })
  }

  #remove(id: string, done: () => void): void {
    const waiting = this.#byId.get(id)
    if (waiting?.delete(done) && waiting.size === 0) this.#byId.delete(id)
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** Ids that someone waits for. */
  ids(): IterableIterator<string> {
    return this.#byId.keys()
  }

  get size(): number {
    return this.#byId.size
  }

  notify(id: string): void {
    if (this.#byId.size === 0) return
    const waiting = this.#byId.get(id)
    if (waiting === undefined) return
    for (const done of [...waiting]) done()
  }

  close(): void {
    for (const id of [...this.#byId.keys()]) this.notify(id)
  }
}
