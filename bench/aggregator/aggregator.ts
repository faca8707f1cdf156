/** The aggregator's part of the report: taking spans on one core, queries, and the page. */
import { startAggregator } from './aggregator-process.ts'
import { type Ingested, ingest } from './ingest.ts'
import { printAggregator } from './print.ts'
import { type QueryTime, queryTimes } from './queries.ts'
import { SpanSource } from './span-source.ts'
import { type WaterfallTimes, waterfallTimes } from './waterfall.ts'

export interface AggregatorBench {
  /** Spans of each round of taking. */
  readonly spans: number
  readonly rounds: number
  /** Spans that queries go over, 0: none are asked. */
  readonly querySpans: number
  readonly walSync: 'always' | 'second' | 'never'
  readonly dataDir?: string | undefined
  readonly profileDir?: string | undefined
  readonly hasPage: boolean
}

export interface AggregatorFigures {
  readonly rounds: readonly Ingested[]
  /** Of all rounds, and of filling up for the queries. */
  readonly peakMiB: number
  readonly bytesPerSpan: number
  readonly querySpans: number
  readonly queries: readonly QueryTime[]
  readonly page: WaterfallTimes | undefined
}

/** As sidecars send: 114 traces of 9 spans a request. */
const TRACES_A_REQUEST = 114
/** Before anything counts: code is compiled, tables are filled. */
const WARM_UP_SPANS = 200_000
const TRIES = 3

export async function runAggregator(bench: AggregatorBench): Promise<AggregatorFigures> {
  const source = new SpanSource(TRACES_A_REQUEST)
  const it = await startAggregator(bench)
  try {
    console.error('aggregator: warm-up')
    await ingest(it, source, WARM_UP_SPANS)
    const rounds: Ingested[] = []
    let peakMiB = 0
    for (let round = 0; round < bench.rounds; round++) {
      console.error(`aggregator: ${bench.spans} spans, round ${round + 1} of ${bench.rounds}`)
      rounds.push(await ingest(it, source, bench.spans))
    }
    it.unpin()
    let status = await it.stored()
    if (status.spans < bench.querySpans) {
      console.error(`aggregator: up to ${bench.querySpans} spans`)
      peakMiB = (await ingest(it, source, bench.querySpans - status.spans)).peakMiB
      status = await it.stored()
    }
    if (bench.querySpans > 0) console.error('aggregator: queries')
    const queries = bench.querySpans === 0 ? [] : await queryTimes(it, TRIES)
    await it.end()
    if (bench.hasPage) console.error('aggregator: the page')
    const page = bench.hasPage ? await waterfallTimes() : undefined
    peakMiB = Math.max(peakMiB, ...rounds.map((one) => one.peakMiB))
    const figures = {
      rounds,
      peakMiB,
      bytesPerSpan: status.bytes / status.spans,
      querySpans: status.spans,
      queries,
      page,
    }
    printAggregator(bench, figures, source.bytes / source.spans)
    return figures
  } finally {
    await it.end()
  }
}
