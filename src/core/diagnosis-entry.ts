/** What a row of the diagnosis tables is made of, see {@link ./diagnoses.ts}. */

/** Whose side the fault is on. `tracing`: the calls may be well, what is known of them is not. */
export type Domain = 'application' | 'network' | 'overload' | 'dependency' | 'proxy' | 'client' | 'tracing'

/** Where it is recognised: in a single trace, in an incident of many; none: an entry of the runbook alone. */
export type Recognised = 'trace' | 'incident'

export interface DiagnosisFacts {
  readonly domain: Domain
  readonly recognised: readonly Recognised[]
  /** A few words, lower case, fit to follow "X:". */
  readonly title: string
  /** What it means. */
  readonly means: string
  /** What shows it. */
  readonly evidence: string
  /** What to look at next. */
  readonly check: string
}

const both = ['trace', 'incident'] as const

/** Rows are written as (title, means, evidence, check). */
type Row = (title: string, means: string, evidence: string, check: string) => DiagnosisFacts

/** A maker of rows of one domain. */
export const rowsOf =
  (domain: Domain, recognised: readonly Recognised[] = both): Row =>
  (title, means, evidence, check) => ({ domain, recognised, title, means, evidence, check })
