/** `npm run bench`: Hopscope and its peers in one run. docs/benchmarks.md says how to read it. */
import { writeFileSync } from 'node:fs'
import { runAggregator } from './aggregator/aggregator.ts'
import { measure } from './measure/measure.ts'
import type { Sample } from './measure/sample.ts'
import { type PhasePlan, rotated, schedule } from './measure/schedule.ts'
import { judge, spanTotals } from './measure/targets.ts'
import { type Options, PROTOCOL_NAMES, parseOptions, USAGE } from './options.ts'
import { type Origin, startOrigin } from './peers/origin.ts'
import { failureOf, PEER_NAMES, type PeerName, type RunningPeer, startPeer } from './peers/peers.ts'
import { printFacts, printPhases, printVerdict } from './print/report-text.ts'
import { runProtocols } from './protocols/protocols.ts'
import { runRca } from './rca/report.ts'
import { machineFacts } from './system/machine.ts'
import { stopAll } from './system/processes.ts'

/** Peers that take no further part, with the reason. */
type Skipped = Map<string, string>

function wantedPeers(options: Options): PeerName[] {
  for (const name of options.peers) {
    if (!PEER_NAMES.some((peer) => peer === name)) throw new RangeError(`no peer ${name}: ${PEER_NAMES.join(', ')}`)
  }
  const isWanted = (peer: string): boolean =>
    options.peers.includes(peer) || (peer.startsWith('hopscope-') && options.peers.includes('hopscope'))
  return options.peers.length === 0 ? [...PEER_NAMES] : PEER_NAMES.filter((peer) => peer === 'direct' || isWanted(peer))
}

async function startPeers(names: readonly PeerName[], origin: Origin, skipped: Skipped): Promise<RunningPeer[]> {
  const peers: RunningPeer[] = []
  for (const name of names) {
    try {
      peers.push(await startPeer(name, origin.port))
    } catch (error) {
      skipped.set(name, messageOf(error))
      console.error(`${name} is left out: ${messageOf(error)}`)
    }
  }
  return peers
}

/** One step on one peer; a peer that fails is left out from then on. */
async function tryMeasure(
  peer: RunningPeer,
  step: Parameters<typeof measure>[1],
  skipped: Skipped,
): Promise<Sample | undefined> {
  if (skipped.has(peer.name)) return undefined
  try {
    return await measure(peer, step)
  } catch (error) {
    const reason = failureOf(peer) ?? messageOf(error)
    skipped.set(peer.name, `${step.workload.name} ${step.phase}: ${reason}`)
    console.error(`${peer.name} is left out: ${reason}`)
    return undefined
  }
}

async function runPhase(plan: PhasePlan, peers: RunningPeer[], skipped: Skipped, endsAt: number): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const step of plan.warmUp === undefined ? plan.steps : [plan.warmUp, ...plan.steps]) {
    console.error(
      `${plan.workload.name} ${plan.phase} ${step === plan.warmUp ? 'warm-up' : `round ${step.round + 1} of ${plan.steps.length}`}`,
    )
    for (const peer of rotated(peers, step.round)) {
      if (Date.now() > endsAt) return samples
      const sample = await tryMeasure(peer, step, skipped)
      if (sample !== undefined && step !== plan.warmUp) samples.push(sample)
    }
  }
  return samples
}

async function report(options: Options): Promise<void> {
  const endsAt = Date.now() + options.budgetMs
  const protocols = PROTOCOL_NAMES.filter((name) => options.only.length === 0 || options.only.includes(name))
  const plans = schedule(options)
  const names = wantedPeers(options)
  const facts = await machineFacts()
  printFacts(facts)
  const skipped: Skipped = new Map()
  const samples: Sample[] = []
  if (plans.length > 0) {
    const peers = await startPeers(names, await startOrigin(), skipped)
    for (const plan of plans) samples.push(...(await runPhase(plan, peers, skipped, endsAt)))
    printPhases(plans, samples)
    printVerdict(samples, options.quick)
  }
  await stopAll()
  const rounds = options.rounds ?? (options.quick ? 1 : 3)
  const turns = protocols.length > 0 ? await runProtocols(protocols, rounds, options.quick ? 1 : 3) : {}
  const aggregator = await tryAggregator(options, skipped)
  const diagnosis = await tryDiagnosis(options, skipped)
  for (const [name, reason] of skipped) console.log(`\nleft out: ${name}: ${reason}`)
  if (Date.now() > endsAt) console.log('\nThe time was up before the end: the last rounds are missing.')
  if (options.out !== undefined) {
    const raw = {
      facts,
      options,
      skipped: Object.fromEntries(skipped),
      samples,
      protocols: turns,
      aggregator,
      diagnosis,
      spans: spanTotals(samples),
      targets: judge(samples),
    }
    writeFileSync(options.out, `${JSON.stringify(raw, null, 2)}\n`)
    console.log(`\nraw figures: ${options.out}`)
  }
}

async function tryAggregator({ only, quick, querySpans, rounds }: Options, skipped: Skipped): Promise<unknown> {
  if (only.length > 0 && !only.includes('aggregator')) return undefined
  const size = { spans: quick ? 200_000 : 1_000_000, rounds: rounds ?? (quick ? 1 : 3), querySpans }
  try {
    return await runAggregator({ ...size, walSync: 'always', hasPage: true })
  } catch (error) {
    skipped.set('aggregator', messageOf(error))
    return undefined
  }
}

/** The range is run where it is asked for: it takes minutes. */
async function tryDiagnosis({ only, quick, rounds }: Options, skipped: Skipped): Promise<unknown> {
  if (only.length > 0 && !only.includes('rca')) return undefined
  try {
    const range = only.includes('rca')
    return await runRca({ quick, rounds: rounds ?? (quick || !range ? 1 : 2), range })
  } catch (error) {
    skipped.set('diagnosis', messageOf(error))
    return undefined
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === 'help') console.log(USAGE)
  else if (process.platform !== 'linux') throw new Error('the bench reads /proc: it runs on Linux only')
  else await report(options)
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
} finally {
  await stopAll()
}
