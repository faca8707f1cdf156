/**
 * The range by simulation.
 *
 *   node build/bench/rca/tune.js [--seeds 10] [--first 1] [--report] [--kinds delay,errors] [--half] [--rate 100]
 *                                [--quiet-minutes 60] [--out FILE] [-v]
 *
 * Seeds from 2000 on are held out: they need --report, and nothing may be tuned on what they show.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { distractionText } from './distractions.ts'
import { FAULT_KINDS, type FaultKind, faultText } from './faults.ts'
import { type Result, seedSet, summaryOf, table } from './score.ts'
import { simulateFault, simulateQuiet } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    first: { type: 'string' },
    report: { type: 'boolean', default: false },
    kinds: { type: 'string', default: FAULT_KINDS.join() },
    half: { type: 'boolean', default: false },
    'quiet-minutes': { type: 'string', default: '0' },
    rate: { type: 'string', default: '100' },
    out: { type: 'string' },
    v: { type: 'boolean', short: 'v', default: false },
  },
})
const first = Number(values.first ?? (values.report ? 2000 : 1))
const seeds = Number(values.seeds)
const set = seedSet(first, seeds, values.report)
const shared = { half: values.half, rate: Number(values.rate) }
console.log(`seeds ${first} to ${first + seeds - 1} (${set}), ${values.half ? 'half of the sidecars' : 'all sidecars'}`)

const results: Result[] = []
for (const kind of values.kinds.split(',') as FaultKind[]) {
  if (!FAULT_KINDS.includes(kind)) throw new RangeError(`no kind ${kind}: ${FAULT_KINDS.join(', ')}`)
  for (let seed = first; seed < first + seeds; seed++) {
    const { beside, ...result } = simulateFault(kind, { ...shared, seed })
    results.push(result)
    const { rank, faults, told, shifted = {} } = result
    const wrong = rank !== 1 || Object.values(shifted).some((one) => one !== 1)
    if (values.v && wrong) {
      const what = `${seed} ${faults.map(faultText).join(' + ')}${distractionText(beside)}`
      console.log(`  ${what}: rank ${rank}, ${JSON.stringify(shifted)}: ${told.join(' | ') || 'nothing'}`)
    }
  }
}
if (results.length > 0) console.log(table(results))

const minutes = Number(values['quiet-minutes'])
const quiet = minutes === 0 ? undefined : simulateQuiet(minutes, { ...shared, seed: first })
if (quiet !== undefined) {
  const { hours, distractions, incidents } = quiet
  console.log(
    `${hours.toFixed(1)} h without a fault, ${distractions} batch jobs and deploys: ${incidents.length} incidents`,
  )
  for (const one of incidents) console.log(`  ${one}`)
}
if (values.out !== undefined) {
  const all = { range: 'simulated', set, ...shared, summary: summaryOf(results), quiet, results }
  writeFileSync(values.out, `${JSON.stringify(all, null, 2)}\n`)
}
