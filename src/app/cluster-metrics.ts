/** Metrics of several processes as one. Counters never go back: not for a process that is silent, nor for one that died. */
import { mergeScrapes, mergeSnapshots, type ScrapeResult, type Snapshot } from '../telemetry/metrics.ts'

export class ClusterMetrics {
  /** What each living process said last, by its id. */
  readonly #last = new Map<number, Snapshot>()
  #ofDead: Promise<Snapshot> = Promise.resolve([])

  /** A process answered. */
  keep(id: number, snapshot: Snapshot): void {
    this.#last.set(id, snapshot)
  }

  /** A process ended. What it counted stays; its gauges went with it. */
  gone(id: number): void {
    const counted = this.#last.get(id)?.filter(({ type }) => type !== 'gauge')
    this.#last.delete(id)
    if (counted === undefined) return
    this.#ofDead = this.#ofDead.then((before) => mergeSnapshots([before, counted]))
  }

  async scrape(): Promise<ScrapeResult> {
    // Taken at one moment: a process that ends meanwhile counts once.
    const [living, ofDead] = [[...this.#last.values()], this.#ofDead]
    return mergeScrapes([...living, await ofDead])
  }
}
