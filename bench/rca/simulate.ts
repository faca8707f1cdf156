/** One fault, or a while without, on the simulated mesh: what the aggregator says of it. */
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { Watch } from '../../src/aggregator/diagnosis/watch.ts'
import { type Distraction, distractionOf, slowOf } from './distractions.ts'
import { type Fault, type FaultKind, faultsOf, seeable } from './faults.ts'
import { Random } from './random.ts'
import { foundIn, type Result, rankOf, resultOf } from './score.ts'
import { halfBare, SimulatedMesh } from './simulated.ts'

const LEARN_S = 120
/** As long as an onset may be wrong, and then some. */
const FAULT_S = 90
/** By so much an onset is wrong, seconds. */
const WRONG_S = [-60, 60] as const
const START_MS = 1_790_000_000_000
const DAY_MS = 120_000
/** What is said of a deploy is said so soon. */
const OF_DEPLOY_MS = 20_000

export interface SimulationOptions {
  readonly seed: number
  readonly half?: boolean
  /** Requests a second. */
  readonly rate?: number
  /** Seconds of the fault; 90 by default. */
  readonly faultS?: number
  /** Length of a day, milliseconds. */
  readonly dayMs?: number
}

/** A mesh and who watches it, in steps of a second. */
export class Simulation {
  readonly bare: ReadonlySet<string>
  readonly watch: Watch
  readonly mesh: SimulatedMesh
  readonly opened: Incident[] = []
  nowMs = START_MS

  constructor({ seed, half = false, rate = 100, dayMs = DAY_MS }: SimulationOptions) {
    this.bare = half ? halfBare(new Random(seed * 31)) : new Set()
    const random = new Random(seed * 7919)
    const slow = slowOf(new Random(seed * 613))
    this.mesh = new SimulatedMesh({ random, perSecond: rate, bare: this.bare, slow, dayMs })
    const { mesh } = this
    this.watch = new Watch(
      {
        names: mesh.names,
        servedBy: (peer) => mesh.servedBy(peer),
        onIncident: (incident, change) => void (change === 'opened' && this.opened.push(incident)),
      },
      START_MS,
    )
  }

  /** `each` sees each second's spans in the mesh's segment. */
  pass(seconds: number, each: (nowMs: number) => void = () => {}): void {
    for (let s = 0; s < seconds; s++) {
      this.nowMs += 1000
      this.mesh.second(this.nowMs - 1000)
      this.watch.add(this.mesh.view, this.mesh.rows, this.nowMs)
      this.watch.tick(this.nowMs)
      each(this.nowMs)
    }
  }
}

/** A fault of a kind by seed, with what distracts from it, and questions about it with a wrong onset. */
export function simulateFault(kind: FaultKind, options: SimulationOptions): Result & { readonly beside: Distraction } {
  const { seed, faultS = FAULT_S } = options
  const run = new Simulation(options)
  const { mesh, watch, bare } = run
  const faults = seeable(faultsOf(kind, new Random(seed * 104_729 + kind.length)), bare)
  const beside = distractionOf(new Random(seed * 15_485_863 + kind.length), faults)
  const onsetMs = run.nowMs + LEARN_S * 1000
  run.pass(LEARN_S - 60)
  mesh.distraction = { what: beside, sinceMs: onsetMs + beside.afterS * 1000 }
  const looks = WRONG_S.map((wrongS) => ({ wrongS, back: watch.retrospect(onsetMs) }))
  const see = (nowMs: number): void => {
    for (const { wrongS, back } of looks) {
      if (nowMs > onsetMs + wrongS * 1000) back.add(mesh.view, 0, mesh.rows, (nowMs - START_MS) / 1000)
    }
  }
  run.pass(60, see)
  mesh.faults = faults
  const found = (): Incident | undefined => foundIn(watch.state().incidents, onsetMs, faults)
  let toldMs: number | undefined
  run.pass(faultS, (nowMs) => {
    see(nowMs)
    if (toldMs === undefined && rankOf(found()?.causes ?? [], faults, bare) === 1) toldMs = nowMs
  })
  const incident = found()
  const asked = kind === 'clock-skew' ? [] : looks
  const shifted = Object.fromEntries(asked.map(({ wrongS, back }) => [wrongS, rankOf(back.causes(), faults, bare)]))
  return { ...resultOf({ kind, seed, faults, onsetMs, incident, toldMs, bare, shifted }), beside }
}

export interface Quiet {
  readonly hours: number
  /** Batch jobs and deploys that went on. */
  readonly distractions: number
  /** What was said, and in brackets the deploy that it was said of: requests did fail then. */
  readonly incidents: readonly string[]
}

/** So long without a fault: a day's swing, a batch job or a deploy every ten minutes. */
export function simulateQuiet(minutes: number, options: SimulationOptions): Quiet {
  const run = new Simulation({ dayMs: 3_600_000, ...options })
  const random = new Random(options.seed * 86_028_121)
  run.pass(LEARN_S)
  run.opened.length = 0
  let distractions = 0
  const deploys: { readonly service: string; readonly atMs: number }[] = []
  for (let minute = 0; minute < minutes; minute++) {
    const none: readonly Fault[] = []
    if (minute % 10 === 5) {
      run.mesh.distraction = { what: distractionOf(random, none), sinceMs: run.nowMs }
      const { kind, service } = run.mesh.distraction.what
      if (kind !== 'none') distractions++
      if (kind === 'deploy') deploys.push({ service, atMs: run.nowMs })
    }
    run.pass(60)
  }
  const incidents = run.watch.state().incidents.filter(({ openedMs }) => openedMs > START_MS + LEARN_S * 1000)
  const told = incidents.map(({ summary, openedMs, causes }) => {
    const deploy = deploys.find(({ service, atMs }) => {
      return openedMs >= atMs && openedMs - atMs < OF_DEPLOY_MS && causes[0]?.service.startsWith(service)
    })
    return deploy === undefined ? summary : `${summary} (deploy)`
  })
  return { hours: minutes / 60, distractions, incidents: told }
}
