/**
 * The range by simulation: `node build/bench/rca/tune.js [--seeds 20] [--first 1] [--kind delay] [--half] [--quiet-minutes 60] [-v]`.
 * Seeds from 2000 on are for the report and were never tuned on.
 */
import { parseArgs } from 'node:util'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { Watch } from '../../src/aggregator/diagnosis/watch.ts'
import { FAULT_KINDS, type Fault, type FaultKind, faultsOf, isRight, seenAs } from './faults.ts'
import { Random } from './random.ts'
import { halfBare, SimulatedMesh } from './simulated.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    first: { type: 'string', default: '1' },
    kind: { type: 'string' },
    half: { type: 'boolean', default: false },
    'quiet-minutes': { type: 'string', default: '0' },
    rate: { type: 'string', default: '100' },
    v: { type: 'boolean', short: 'v', default: false },
  },
})
const LEARN_S = 120
const FAULT_S = 40
const START_MS = 1_790_000_000_000

interface Result {
  readonly rank: number
  readonly delayS: number
  readonly named: string
}

function begin(seed: number): {
  watch: Watch
  mesh: SimulatedMesh
  run: (seconds: number) => number
  opened: () => number
} {
  const random = new Random(seed * 7919)
  const mesh = new SimulatedMesh({
    random,
    perSecond: Number(values.rate),
    ...(values.half && { bare: halfBare(new Random(seed * 31)) }),
  })
  let opened = 0
  let now = START_MS
  const watch = new Watch(
    {
      names: mesh.names,
      servedBy: (peer) => mesh.servedBy(peer),
      onIncident: (_, change) => {
        if (change === 'opened') opened++
      },
    },
    now,
  )
  const run = (seconds: number): number => {
    for (let s = 0; s < seconds; s++) {
      now += 1000
      mesh.second(now - 1000)
      watch.add(mesh.view, mesh.rows, now)
      watch.tick(now)
    }
    return now
  }
  return { watch, mesh, run, opened: () => opened }
}

function one(kind: FaultKind, seed: number): Result {
  const { watch, mesh, run } = begin(seed)
  const faults = faultsOf(kind, new Random(seed * 104729 + kind.length))
  const onsetMs = run(LEARN_S)
  const before = watch.state().incidents.length
  mesh.faults = faults
  run(FAULT_S)
  const incidents = watch.state().incidents
  const incident = incidents.length > before ? incidents[0] : undefined
  const rank = rankOf(incident, faults, values.half ? halfBare(new Random(seed * 31)) : new Set())
  const delayS = incident === undefined ? Number.NaN : (incident.openedMs - onsetMs) / 1000
  const causes = incident?.causes.map(({ text, weight }) => `${text} (${weight})`).slice(0, 3)
  if (values.v && rank !== 1)
    console.log(`  ${kind} ${seed} ${JSON.stringify(faults)} → rank ${rank} ${causes?.join(' | ') ?? 'nothing'}`)
  return { rank, delayS, named: incident?.causes[0]?.diagnosis ?? '' }
}

/** Best rank of any of the faults; 99 where none is named. */
function rankOf(incident: Incident | undefined, faults: readonly Fault[], bare: ReadonlySet<string>): number {
  const at =
    incident?.causes.findIndex((cause) =>
      faults.some((fault) => seenAs(fault, bare).some((seen) => isRight(cleaned(cause), seen))),
    ) ?? -1
  return at < 0 ? 99 : at + 1
}

const cleaned = ({ service, from }: { service: string; from: string }): { service: string; from: string } => ({
  service: service.replace(/\.mesh$/, ''),
  from,
})

const kinds = values.kind === undefined ? FAULT_KINDS : FAULT_KINDS.filter((one) => one === values.kind)
const all: Result[] = []
for (const kind of kinds) {
  const results: Result[] = []
  for (let i = 0; i < Number(values.seeds); i++) results.push(one(kind, Number(values.first) + i))
  all.push(...results)
  line(kind, results)
}
line('all', all)

function line(name: string, results: readonly Result[]): void {
  const share = (rank: number): string =>
    `${((results.filter((one) => one.rank <= rank).length / results.length) * 100).toFixed(0)} %`
  const delays = results
    .map(({ delayS }) => delayS)
    .filter((one) => !Number.isNaN(one))
    .sort((a, b) => a - b)
  const ranks = results.map(({ rank }) => Math.min(rank, 10))
  const mean = ranks.reduce((a, b) => a + b, 0) / ranks.length
  const names = [...new Set(results.map(({ named }) => named))].join(' ')
  const late = delays.filter((one) => one > 10).length
  console.log(
    `${name.padEnd(13)} top-1 ${share(1).padStart(5)}  top-3 ${share(3).padStart(5)}  mean rank ${mean.toFixed(2)}  opened after ${delays[Math.floor(delays.length / 2)] ?? '–'} s, most ${delays.at(-1) ?? '–'} s, late ${late}  ${name === 'all' ? '' : names}`,
  )
}

const quiet = Number(values['quiet-minutes'])
if (quiet > 0) {
  const { run, opened, watch } = begin(Number(values.first))
  run(LEARN_S)
  const before = performance.now()
  run(quiet * 60)
  const s = (performance.now() - before) / 1000
  console.log(
    `${quiet} minutes without a fault: ${opened()} incidents; ${s.toFixed(1)} s; ${watch.state().signatures} signatures`,
  )
  if (values.v)
    for (const { causes } of watch.state().incidents)
      console.log(causes.map(({ text, evidence, z }) => `${text} z ${z} ${evidence.join('; ')}`).join('\n'))
}
