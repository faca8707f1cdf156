/** Diagnosis in the report: what it costs, what a signature takes, and, asked for by name, the simulated range. */
import { printTable } from '../print/table.ts'
import { type Cost, costAt, type Held, heldSignatures } from './cost.ts'
import { FAULT_KINDS } from './faults.ts'
import { HELD_OUT, type Result, type Summary, summaryOf, table } from './score.ts'
import { type Quiet, simulateFault, simulateQuiet } from './simulate.ts'

export interface RcaBench {
  readonly quick: boolean
  readonly rounds: number
  /** The range too, and more loads than one. */
  readonly range: boolean
}

interface Range {
  readonly half: boolean
  readonly summary: Summary
  readonly results: readonly Result[]
  readonly quiet: Quiet
}

export interface RcaFigures {
  /** With diagnosis and without, in turn. */
  readonly costs: readonly { readonly with: Cost; readonly without: Cost | undefined }[]
  readonly held: Held
  readonly ranges: readonly Range[]
}

/** Up to the first, all traces are looked at; beyond, some. */
const LOADS = [4000, 16_000]
const SECONDS = 10
/** Of the issue: what diagnosis may add, and what a signature may take. */
const MOST_ADDED = 0.2
const MOST_BYTES = 8192

export async function runRca(bench: RcaBench): Promise<RcaFigures> {
  const held = heldSignatures()
  const costs: { with: Cost; without: Cost | undefined }[] = []
  for (const perSecond of bench.range && !bench.quick ? LOADS : LOADS.slice(0, 1)) {
    for (let round = 0; round < bench.rounds; round++) {
      console.error(`diagnosis: ${perSecond} spans a second, round ${round + 1} of ${bench.rounds}`)
      const load = { perSecond, seconds: bench.quick ? 4 : SECONDS }
      const first = await costAt(load, false)
      costs.push({ with: first, without: bench.quick ? undefined : await costAt(load, true) })
    }
  }
  printCosts(costs, held)
  const ranges = bench.range ? [false, true].map((half) => simulateRange(bench, half)) : []
  return { costs, held, ranges }
}

function printCosts(costs: RcaFigures['costs'], { signatures, bytesEach }: Held): void {
  console.log('\nDiagnosis: CPU of the aggregator a span')
  const us = (cost: Cost | undefined): string => (cost === undefined ? '-' : cost.wholeUs.toFixed(1))
  printTable(
    ['spans a second', 'with it, µs', 'without, µs', 'of it diagnosis, µs', 'adds'],
    costs.map(({ with: one, without }) => [
      ...[String(one.perSecond), us(one), us(without), one.diagnosisUs.toFixed(2), `${(one.adds * 100).toFixed(1)} %`],
    ]),
  )
  const most = Math.max(...costs.map(({ with: { adds } }) => adds))
  const isMet = (met: boolean): string => (met ? 'met' : 'MISSED')
  console.log(`at most 20 % added: ${(most * 100).toFixed(1)} %, ${isMet(most <= MOST_ADDED)}`)
  const kib = (bytesEach / 1024).toFixed(2)
  console.log(`${signatures} signatures held, ${kib} KiB each (under 8): ${isMet(bytesEach < MOST_BYTES)}`)
}

function simulateRange({ quick, rounds }: RcaBench, half: boolean): Range {
  const seeds = quick ? 1 : rounds
  console.error(`simulated range, ${half ? 'half of the sidecars' : 'all sidecars'}: ${seeds} seeds of each kind`)
  const results: Result[] = []
  for (const kind of FAULT_KINDS) {
    for (let i = 0; i < seeds; i++) results.push(simulateFault(kind, { seed: HELD_OUT + i, half }))
  }
  console.log(`\nSimulated range, ${half ? 'half of the sidecars' : 'all sidecars'}, seeds ${HELD_OUT} on (held out)`)
  console.log(table(results))
  const quiet = simulateQuiet(quick ? 10 : 60, { seed: HELD_OUT, half })
  console.log(`${quiet.hours.toFixed(1)} h without a fault: ${quiet.incidents.length} incidents`)
  for (const one of quiet.incidents) console.log(`  ${one}`)
  return { half, summary: summaryOf(results), results, quiet }
}
