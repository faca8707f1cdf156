/** Which new traces are kept: by the settings, and by what telemetry costs. */
import type { Config } from '../config/schema.ts'
import { nowUs } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { Governor, type GovernorChange, type GovernorOptions } from '../telemetry/governor.ts'
import { HeadSampler } from '../telemetry/sampler.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

/** What is told of it, on the admin port. */
export interface SamplingState {
  /** Of the settings. */
  readonly configured: number
  /** Share of new traces that is kept now. */
  readonly ratio: number
  /** The governor holds it below what is configured. */
  readonly governed: boolean
  /** Of the process's CPU over the last window, 0 … 1. */
  readonly telemetryCpuShare: number
}

const short = (share: number): number => Number(share.toPrecision(4))

const LOOK_EVERY_MS = 250

const optionsOf = ({ telemetry: { governor } }: Config): GovernorOptions => ({
  enabled: governor.enabled,
  maxShare: governor.maxShare,
  lowest: governor.lowest,
  recoverMs: governor.recoverMs,
  leastLoad: governor.leastLoad,
  windowMs: governor.windowMs,
})

export class Sampling {
  readonly head: HeadSampler
  readonly #governor: Governor
  readonly #telemetry: Telemetry
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #config: Config

  constructor(config: Config, telemetry: Telemetry, log: Logger) {
    this.#config = config
    this.#telemetry = telemetry
    this.#log = log
    this.head = new HeadSampler({ ratio: config.sample, parentBased: config.trace.parentBased })
    this.#governor = new Governor(optionsOf(config), config.sample)
    telemetry.metrics.add({
      name: 'hopscope_sampling_ratio',
      help: 'Share of new traces that is kept now: that of the settings, or less while telemetry costs too much.',
      type: 'gauge',
      aggregator: 'min',
      samples: () => [{ labels: {}, value: this.head.ratio }],
    })
    telemetry.metrics.add({
      name: 'hopscope_telemetry_cpu_seconds_total',
      help: 'CPU of the telemetry thread.',
      type: 'counter',
      samples: () => [{ labels: {}, value: telemetry.counters().cpuUs / 1e6 }],
    })
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  get state(): SamplingState {
    return {
      configured: this.#config.sample,
      ratio: short(this.head.ratio),
      governed: this.#governor.governs,
      telemetryCpuShare: short(this.#governor.share),
    }
  }

  /** Take over settings that may change while running. */
  reconfigure(config: Config): void {
    this.#config = config
    this.#governor.configure(optionsOf(config), config.sample)
    this.#apply()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { user, system } = process.cpuUsage()
    const change = this.#governor.look({
      atMs: nowUs() / 1000,
      telemetryUs: this.#telemetry.counters().cpuUs,
      processUs: user + system,
    })
    if (change === undefined) return
    this.#apply()
    this.#tell(change)
  }

  #apply(): void {
    this.head.configure({ ratio: this.#governor.ratio, parentBased: this.#config.trace.parentBased })
  }

  #tell(change: GovernorChange): void {
    const { ratio, configured, telemetryCpuShare } = this.state
    const fields = { ratio, configured, telemetryCpuShare }
    if (change === 'fell') this.#log.warn(fields, 'telemetry takes too much CPU: fewer new traces are kept')
    else if (change === 'rose') this.#log.info(fields, 'telemetry has room: more new traces are kept')
    else this.#log.info(fields, 'new traces are kept as configured again')
  }
}
