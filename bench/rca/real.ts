/**
 * The chaos range on real services (range.ts). Needs root.
 *
 *   node build/bench/rca/real.js [--faults 8] [--first 1] [--report] [--kinds delay,errors] [--rate 40] [--half]
 *                                [--fault-s 25] [--quiet-s 0] [--minutes 20] [--out FILE]
 *
 * Kinds take turns, each fault with the next seed. With `--fault-s 75` each is asked for by hand too, for a stretch of time
 * that begins a minute early and one that begins a minute late. Seeds from 2000 on are held out: they need --report.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Incident, IncidentCause } from '../../src/aggregator/diagnosis/incidents.ts'
import { type Distraction, distractionOf, distractionText, slowOf } from './distractions.ts'
import { FAULT_KINDS, type Fault, type FaultKind, faultsOf, faultText, seeable } from './faults.ts'
import { distract, inject } from './inject.ts'
import { Random } from './random.ts'
import { CAN_SKEW, Range, sidecars } from './range.ts'
import { foundIn, type Result, rankOf, resultOf, seedSet, summaryOf, table } from './score.ts'
import { halfBare } from './simulated.ts'

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '8' },
    first: { type: 'string' },
    report: { type: 'boolean', default: false },
    kinds: { type: 'string', default: FAULT_KINDS.filter((kind) => CAN_SKEW || kind !== 'clock-skew').join() },
    rate: { type: 'string', default: '40' },
    half: { type: 'boolean', default: false },
    'fault-s': { type: 'string', default: '25' },
    'quiet-s': { type: 'string', default: '0' },
    minutes: { type: 'string', default: '600' },
    out: { type: 'string' },
  },
})
const LONGEST_LEARN_S = 150
/** So long all has to be well before the next fault. */
const CALM_S = 8
const WRONG_S = [-60, 60] as const
/** Faults at least so long are asked for with a wrong onset; what was wrong before has to be over for longer than that. */
const LONG_S = 72
const APART_MS = 65_000

const first = Number(values.first ?? (values.report ? 2000 : 1))
const count = Number(values.faults)
const set = seedSet(first, count, values.report)
const faultS = Number(values['fault-s'])
const untilMs = performance.now() + Number(values.minutes) * 60_000
const kinds = values.kinds.split(',') as FaultKind[]
for (const kind of kinds) if (!FAULT_KINDS.includes(kind)) throw new RangeError(`no kind ${kind}`)

interface Plan {
  readonly kind: FaultKind
  readonly seed: number
  readonly faults: readonly Fault[]
  readonly beside: Distraction
}

const bare = values.half ? halfBare(new Random(first * 31)) : new Set<string>()
const plans = Array.from({ length: count }, (_, i): Plan => {
  const [kind, seed] = [kinds[i % kinds.length]!, first + i]
  const faults = seeable(faultsOf(kind, new Random(seed * 104_729 + kind.length)), bare)
  return { kind, seed, faults, beside: distractionOf(new Random(seed * 15_485_863 + kind.length), faults) }
})
const skewed = plans.flatMap(({ faults }) => faults.filter(({ kind }) => kind === 'clock-skew'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const range = await Range.start({
  ...{ rate: Number(values.rate), bare, slow: slowOf(new Random(first * 613)) },
  skewed: new Set(skewed.map(({ service }) => service)),
})

const nowMs = (): number => performance.timeOrigin + performance.now()

let lastEndMs = 0

async function calm(): Promise<void> {
  const until = nowMs() + LONGEST_LEARN_S * 1000
  let calmS = 0
  while (nowMs() < until && calmS < CALM_S) {
    await sleep(1000)
    const { incidents, ready, signatures } = await range.state()
    const isHurt = incidents.some(({ state, severity }) => state === 'open' && severity === 'fault')
    calmS = ready > signatures * 0.8 && !isHurt ? calmS + 1 : 0
  }
}

/** What is said of a stretch of time that begins so much too early or late. */
async function asked(wrongS: number, onsetMs: number, faults: readonly Fault[]): Promise<number> {
  const [from, to] = [Math.round(onsetMs + wrongS * 1000), Math.round(nowMs())]
  const { causes } = await range.api<{ readonly causes: readonly IncidentCause[] }>(`diagnosis?from=${from}&to=${to}`)
  return rankOf(causes, faults, bare)
}

async function one({ kind, seed, faults, beside }: Plan): Promise<Result> {
  await calm()
  if (faultS >= LONG_S) await sleep(Math.max(0, lastEndMs + APART_MS - nowMs()))
  if (beside.afterS < 0) {
    await distract(range, beside)
    await sleep(-beside.afterS * 1000)
  }
  const onsetMs = nowMs()
  const undos = await Promise.all(faults.map((fault) => inject(range, fault)))
  const late = beside.afterS >= 0 ? setTimeout(() => distract(range, beside), beside.afterS * 1000) : undefined
  let found: Incident | undefined
  let toldMs: number | undefined
  while (nowMs() - onsetMs < faultS * 1000) {
    await sleep(500)
    found = foundIn((await range.state()).incidents, onsetMs, faults)
    if (toldMs === undefined && rankOf(found?.causes ?? [], faults, bare) === 1) toldMs = nowMs()
  }
  clearTimeout(late)
  const shifted: Record<string, number> = {}
  for (const wrongS of WRONG_S) {
    const isAlone = onsetMs - lastEndMs > -wrongS * 1000
    if (faultS > wrongS + 10 && isAlone && kind !== 'clock-skew') shifted[wrongS] = await asked(wrongS, onsetMs, faults)
  }
  for (const undo of undos) await undo()
  lastEndMs = nowMs()
  const result = resultOf({ kind, seed, faults, onsetMs, incident: found, toldMs, bare, shifted })
  const what = `${seed} ${faults.map(faultText).join(' + ')}${distractionText(beside)}`
  const after = result.delayS === null ? '' : ` after ${result.delayS.toFixed(1)} s`
  console.log(
    `${what}: rank ${result.rank}${after} ${JSON.stringify(shifted)}: ${result.told.join(' | ') || 'nothing'}`,
  )
  return result
}

await calm()
const { ready, signatures, incidents } = await range.state()
console.log(
  `seeds ${first} to ${first + count - 1} (${set}), ${sidecars(bare)} sidecars, ${ready} of ${signatures} places known, ${incidents.length} incidents so far`,
)
const quietS = Number(values['quiet-s'])
let quiet: { readonly seconds: number; readonly incidents: readonly string[] } | undefined
if (quietS > 0) {
  const random = new Random(first * 86_028_121)
  for (let s = 0; s < quietS; s += 60) {
    if (s % 300 === 120) await distract(range, distractionOf(random, []))
    await sleep(Math.min(60, quietS - s) * 1000)
  }
  const now = (await range.state()).incidents
  const told = now.slice(0, now.length - incidents.length).map(({ summary }) => summary)
  quiet = { seconds: quietS, incidents: told }
  console.log(`${quietS} s without a fault: ${told.length} incidents ${told.join('; ')}`)
}
const results: Result[] = []
for (const plan of plans) {
  if (performance.now() > untilMs) break
  try {
    results.push(await one(plan))
  } catch (error) {
    console.error(`${plan.seed} ${plan.kind}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
if (results.length > 0) console.log(table(results))
if (values.out !== undefined) {
  const all = { range: 'real', set, half: values.half, rate: Number(values.rate), summary: summaryOf(results) }
  writeFileSync(values.out, `${JSON.stringify({ ...all, quiet, results }, null, 2)}\n`)
}
await range.stop()
process.exit(0)
