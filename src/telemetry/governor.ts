/**
 * Keeps the cost of telemetry in bounds: when the telemetry thread takes more than its share of the process's CPU, fewer
 * new traces are kept, and more again when there is room. Pure: time and CPU come from outside. Failed and slow exchanges
 * are kept in any case (docs/adr/0077).
 */

export interface GovernorOptions {
  readonly enabled: boolean
  /** Most of the process's CPU that the telemetry thread may take, 0 … 1. */
  readonly maxShare: number
  /** The ratio never falls below this, 0 … 1. */
  readonly lowest: number
  /** Shortest time between a fall and the first rise, and between rises, milliseconds. */
  readonly recoverMs: number
  /** With less of one core in use than this, a share says nothing and saves nothing; 0 … 1. */
  readonly leastLoad: number
  /** CPU is measured over so long, and a step down is judged after it, milliseconds. */
  readonly windowMs: number
}

/** A reading of both clocks; microseconds of CPU since some start. */
export interface CpuReading {
  readonly atMs: number
  readonly telemetryUs: number
  readonly processUs: number
}

export type GovernorChange = 'fell' | 'rose' | 'recovered'

/** Less than this is not sampling but chance. */
const LEAST_RATIO = 0.001
/** Room that must be left after a rise, so that it does not have to be taken back. */
const ROOM = 0.8
const STEP = 2
const LASTING = 2

export class Governor {
  #options: GovernorOptions
  #configured: number
  #ratio: number
  #last: CpuReading | undefined
  #changedMs = 0
  #share = 0
  /** Windows in a row in which it was too much. */
  #over = 0

  /** `configured`: the ratio of the settings. */
  constructor(options: GovernorOptions, configured: number) {
    this.#options = options
    this.#configured = configured
    this.#ratio = configured
  }

  /** The ratio to sample new traces by. */
  get ratio(): number {
    return this.#ratio
  }

  /** Of the process's CPU over the last window, 0 … 1. */
  get share(): number {
    return this.#share
  }

  get governs(): boolean {
    return this.#ratio < this.#configured
  }

  /** Other settings: what was lowered stays lowered, as far as they allow. */
  configure(options: GovernorOptions, configured: number): void {
    const factor = this.#configured > 0 ? this.#ratio / this.#configured : 1
    this.#options = options
    this.#configured = configured
    this.#ratio = options.enabled ? Math.max(this.#floor, configured * factor) : configured
  }

  /** What the readings change, undefined where nothing. */
  look(reading: CpuReading): GovernorChange | undefined {
    const last = this.#last
    if (last === undefined || reading.telemetryUs < last.telemetryUs) {
      // The first one, or the thread was started anew and counts from there.
      this.#last = reading
      return undefined
    }
    const elapsedMs = reading.atMs - last.atMs
    if (elapsedMs < this.#options.windowMs) return undefined
    this.#last = reading
    const processUs = reading.processUs - last.processUs
    this.#share = processUs > 0 ? Math.min(1, (reading.telemetryUs - last.telemetryUs) / processUs) : 0
    if (!this.#options.enabled) return undefined
    const { maxShare, recoverMs, windowMs, leastLoad } = this.#options
    const idle = processUs < elapsedMs * 1000 * leastLoad
    const sinceMs = reading.atMs - this.#changedMs
    if (!idle && this.#share > maxShare) {
      // One window is a start, or a burst. And what was kept before a step is in the ring and in batches for a while.
      const lasts = ++this.#over >= LASTING && sinceMs >= windowMs
      return lasts ? this.#fall(reading.atMs) : undefined
    }
    this.#over = 0
    if (!this.governs || sinceMs < recoverMs) return undefined
    return idle || this.#share * STEP <= maxShare * ROOM ? this.#rise(reading.atMs) : undefined
  }

  get #floor(): number {
    return Math.min(this.#configured, Math.max(LEAST_RATIO, this.#options.lowest))
  }

  #fall(atMs: number): GovernorChange | undefined {
    // Rises have to wait from now on, at the floor as well.
    this.#changedMs = atMs
    if (this.#ratio <= this.#floor) return undefined
    this.#ratio = Math.max(this.#floor, this.#ratio / STEP)
    return 'fell'
  }

  #rise(atMs: number): GovernorChange {
    this.#changedMs = atMs
    this.#ratio = Math.min(this.#configured, this.#ratio * STEP)
    return this.governs ? 'rose' : 'recovered'
  }
}
