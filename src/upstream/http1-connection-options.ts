/** What an HTTP/1.1 connection to an upstream is told. */
import type { Sweeper } from '../core/timers.ts'
import type { BodyLimits } from '../http/message/body-reader.ts'
import type { Http1Connection } from './http1-connection.ts'
import type { ResponseTimeouts } from './response-deadlines.ts'

export interface Http1ConnectionOptions {
  readonly limits: BodyLimits
  readonly timeouts: ResponseTimeouts
  readonly sweeper: Sweeper
  /** Value of Host for requests that came without one. */
  readonly hostFallback: string
  readonly idleMs: number
  /** The connection is free for another exchange. */
  readonly onIdle: (connection: Http1Connection) => void
  readonly onClosed: (connection: Http1Connection) => void
}
