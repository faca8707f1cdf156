/** Whose header sections are recorded. `auto`: of HTTP/2, where they cost the most, those of failed and slow exchanges. */
export type Sections = 'all' | 'auto' | 'off'

/** What the flight recorder is told. Plain data: it crosses to the telemetry thread. */
export interface RecorderOptions {
  readonly sections: Sections
  /** Fields whose values are shown beside the harmless ones. */
  readonly showHeaders: readonly string[]
  /** Fields whose values are not, whatever else is said. */
  readonly hideHeaders: readonly string[]
  /** Traces a second that are written out for what happened here, and as many for what happened elsewhere. */
  readonly tracesPerSecond: number
  /** Ask other proxies for their part of such a trace, and answer them. */
  readonly ask: boolean
  readonly dump: { readonly folder: string; readonly files: number; readonly bytes: number } | undefined
  /** `processes`: that share the path; each has a file of its own. */
  readonly file: { readonly path: string; readonly bytes: number; readonly processes: number } | undefined
}

export const RECORDER_DEFAULTS: RecorderOptions = {
  sections: 'auto',
  showHeaders: [],
  hideHeaders: [],
  tracesPerSecond: 10,
  ask: true,
  dump: undefined,
  file: undefined,
}
