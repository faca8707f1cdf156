/** A protocol under load: who takes part, how each is started, and what sends the load. */
import type { Started } from '../system/processes.ts'

/** What one measurement of a load brought. */
export interface Measured {
  readonly requests: number
  readonly failed: number
  readonly durationUs: number
  /** 0 where the program does not tell. */
  readonly p99Us: number
}

/** One that takes part. `command` is started pinned to the proxy's core. */
export interface Contender {
  readonly name: string
  /** The program and its arguments; undefined where it is not installed. */
  readonly command: (port: number, ports: Origins) => readonly string[] | Promise<readonly string[]>
  /** Its load differs from the scenario's. */
  readonly load?: Scenario['load']
}

/** Ports of the origins. */
export interface Origins {
  /** nginx, HTTP/1.1 in clear text. */
  readonly http1: number
  /** nginx, HTTP/1.1 over TLS. */
  readonly tls: number
  /** nghttpd, HTTP/2 in clear text, with trailers. */
  readonly h2: number
  /** A collector that acknowledges. */
  readonly otlp: number
}

export interface Scenario {
  readonly name: string
  readonly title: string
  /** What CPU is counted by: calls, or the mebibytes that went through. */
  readonly unit: 'request' | 'MiB'
  readonly contenders: readonly Contender[]
  /** The one that ratios refer to. */
  readonly baseline: string
  readonly load: (port: number, seconds: number) => Promise<Measured>
  /** What is aimed at. */
  readonly targets?: readonly Target[]
}

/** CPU of one contender at most so many times that of another (by default the baseline), or its 99th percentile. */
export type Target =
  | { readonly of: string; readonly atMost: number; readonly than?: string }
  | { readonly of: string; readonly p99Us: number }

/** A contender that runs. */
export interface Running {
  readonly contender: Contender
  readonly port: number
  readonly entry: Started
}
