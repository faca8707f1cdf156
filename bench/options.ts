/** Command line of the report. */
import { parseArgs } from 'node:util'

/** What to run. Durations are in seconds because wrk takes whole ones. */
export interface Options {
  readonly quick: boolean
  /** Names of workloads; empty is all. */
  readonly only: readonly string[]
  /** Names of peers; empty is all. A name also selects its variants (`hopscope` gives `hopscope-off` too). */
  readonly peers: readonly string[]
  readonly out: string | undefined
  /** Overrides the rounds of every phase. */
  readonly rounds: number | undefined
  /** The run begins no further measurement after this long. */
  readonly budgetMs: number
  /** Spans that the aggregator's queries go over. */
  readonly querySpans: number
}

/** The scenarios of `protocols/`. */
export const PROTOCOL_NAMES = [
  'short',
  'grpc',
  'h2-h1',
  'tls',
  'tls-full',
  'tls-resumed',
  'passthrough',
  'idempotency',
  'idempotency-latency',
] as const

export const USAGE = `npm run bench -- [options]
  --quick            short run, under 90 s: shows that all works, too short to quote
  --only LIST        workloads: small,1k,64k,1m,memory; protocols: short,grpc,h2-h1,tls,tls-full,tls-resumed,
                     passthrough,idempotency,idempotency-latency; aggregator;
                     rca (diagnosis, with the simulated range)
  --peers LIST       direct,nginx,haproxy,http-proxy,http2-proxy,hopscope
                     (= hopscope-off,hopscope,hopscope-again,hopscope-hang)
  --rounds N         rounds of every phase (default 3; with --quick 1)
  --query-spans N    spans that the aggregator's queries go over (default 1000000; with --quick 200000)
  --out FILE         also write the raw figures there as JSON`

/** Throws TypeError (from parseArgs) or RangeError with a message fit to show. */
export function parseOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      peers: { type: 'string', default: '' },
      rounds: { type: 'string' },
      out: { type: 'string' },
      'query-spans': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0 && rounds <= 100)) {
    throw new RangeError('--rounds takes a whole number from 1 to 100')
  }
  const querySpans = Number(values['query-spans'] ?? (values.quick ? 200_000 : 1_000_000))
  if (!(Number.isInteger(querySpans) && querySpans >= 0 && querySpans <= 100_000_000)) {
    throw new RangeError('--query-spans takes a whole number to 100000000')
  }
  return {
    querySpans,
    quick: values.quick,
    only: list(values.only),
    peers: list(values.peers),
    out: values.out,
    rounds,
    budgetMs: values.quick ? 80_000 : 570_000,
  }
}

function list(text: string): string[] {
  return text.split(',').filter((part) => part !== '')
}
