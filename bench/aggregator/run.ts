/**
 * The aggregator's part of the report alone, with more to choose.
 *
 *   node build/bench/aggregator/run.js [--spans 1000000] [--rounds 3] [--queries 1000000] [--sync always|second|never]
 *                                      [--keep DIR] [--profile DIR] [--no-page]
 */
import { parseArgs } from 'node:util'
import { stopAll } from '../system/processes.ts'
import { runAggregator } from './aggregator.ts'

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    queries: { type: 'string', default: '1000000' },
    sync: { type: 'string', default: 'always' },
    keep: { type: 'string' },
    profile: { type: 'string' },
    'no-page': { type: 'boolean', default: false },
  },
})

const syncs = ['always', 'second', 'never'] as const
const walSync = syncs.find((one) => one === values.sync)
if (walSync === undefined) throw new RangeError(`--sync is one of ${syncs.join(', ')}`)

try {
  await runAggregator({
    ...{ spans: Number(values.spans), rounds: Number(values.rounds), querySpans: Number(values.queries), walSync },
    ...{ dataDir: values.keep, profileDir: values.profile, hasPage: !values['no-page'] },
  })
} finally {
  await stopAll()
}
