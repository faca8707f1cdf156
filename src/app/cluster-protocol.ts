/** What the first process of `--concurrency N` and the ones that take traffic say to each other. */
import type { InEffect, Started } from '../config/load.ts'
import type { LogLevel } from '../core/log.ts'
import type { RecorderQuery } from '../telemetry/flight-recorder.ts'

/** The first message of a process: it asks what to run. */
export interface Starting {
  readonly starting: true
}

/** The answer. */
export interface Start {
  readonly start: Started
}

export type Question =
  | { readonly ask: 'snapshot' }
  | { readonly ask: 'exchanges'; readonly query: RecorderQuery }
  | { readonly ask: 'idempotency' }
  | { readonly ask: 'sampling' }
  | { readonly ask: 'drain' }
  /** What was read anew, once for all. */
  | { readonly ask: 'take-config'; readonly now: InEffect }
  /** Base64. */
  | { readonly ask: 'ticket-keys'; readonly keys: string }
  | { readonly ask: 'log-level'; readonly level: LogLevel }

export interface Asked {
  readonly id: number
  readonly question: Question
}

export interface Answered {
  readonly id: number
  readonly answer: unknown
}

export interface Listening {
  readonly listening: { readonly host: string; readonly port: number }
}
