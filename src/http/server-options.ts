/** What the server codecs are given. */
import type { Sweeper } from '../core/timers.ts'
import type { Driver } from '../exchange/driver.ts'
import type { DownstreamTimeouts } from './server-deadlines.ts'
import type { ServerLimits } from './server-limits.ts'

/** What all connections of a listener share. */
export interface ServerOptions {
  readonly driver: Driver
  readonly limits: ServerLimits
  readonly timeouts: DownstreamTimeouts
  readonly sweeper: Sweeper
  readonly connectMode: 'refuse' | 'tunnel'
  /** While true, responses say `Connection: close` and idle connections close. */
  readonly draining: () => boolean
}
