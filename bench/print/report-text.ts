/** The report as text, from its samples. */
import { cpuDataThread, cpuWhole, PhaseResults, p50, p99, perSecond, punctualShare, rss } from '../measure/results.ts'
import type { Sample } from '../measure/sample.ts'
import type { PhasePlan } from '../measure/schedule.ts'
import { isNoisy, judge, spanTotals, type Target } from '../measure/targets.ts'
import { printTable, show, showRatio } from './table.ts'

/** Name and value, one a line. */
export function printFacts(facts: Readonly<Record<string, string>>): void {
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  for (const [name, value] of Object.entries(facts)) console.log(`${name.padEnd(width)}  ${value}`)
}

/** The tables of all phases that have samples. */
export function printPhases(plans: readonly PhasePlan[], samples: readonly Sample[]): void {
  for (const { workload, phase, steps } of plans) {
    const results = new PhaseResults(samples, workload.name, phase)
    const step = steps[0]
    if (results.peers.length === 0 || step === undefined) continue
    const size = `${step.connections} connections, ${steps.length} x ${step.seconds} s`
    if (phase === 'fixed') {
      console.log(`\n== ${workload.title}: fixed ${step.perSecond} requests a second, ${size}`)
      printFixed(results)
    } else {
      console.log(`\n== ${workload.title}: ${phase === 'memory' ? 'memory' : 'saturation'}, ${size}`)
      printSaturation(results)
    }
  }
}

function printSaturation(results: PhaseResults): void {
  const head = [
    'peer',
    'CPU us/request',
    'data thread us',
    'x nginx',
    'x http2-proxy',
    'requests/s',
    'core busy',
    'RSS MiB',
    'failed',
  ]
  const rows = results.peers.map((peer) => [
    peer,
    show(results.spread(peer, cpuWhole), 1),
    show(results.spread(peer, cpuDataThread), 1),
    showRatio(results.ratio(peer, cpuWhole, 'nginx')),
    showRatio(results.ratio(peer, cpuWhole, 'http2-proxy')),
    show(results.spread(peer, perSecond)),
    percent(results.spread(peer, (sample) => sample.coreBusy)?.median),
    show(results.spread(peer, rss)),
    failedOf(results, peer),
  ])
  printTable(head, rows)
}

function printFixed(results: PhaseResults): void {
  const head = [
    'peer',
    'p50 us',
    'p99 us',
    'added p50',
    'added p99',
    'CPU us/request',
    'x nginx',
    'x http2-proxy',
    'RSS MiB',
    'rate',
    'on time',
    'failed',
  ]
  const rows = results.peers.map((peer) => [
    peer,
    show(results.spread(peer, p50)),
    show(results.spread(peer, p99)),
    peer === 'direct' ? '-' : show(results.added(peer, p50)),
    peer === 'direct' ? '-' : show(results.added(peer, p99)),
    show(results.spread(peer, cpuWhole), 1),
    showRatio(results.ratio(peer, cpuWhole, 'nginx')),
    showRatio(results.ratio(peer, cpuWhole, 'http2-proxy')),
    show(results.spread(peer, rss)),
    String(Math.round(results.spread(peer, perSecond)?.median ?? 0)),
    `${Math.round(100 * (results.spread(peer, punctualShare)?.median ?? 0))} %`,
    failedOf(results, peer),
  ])
  printTable(head, rows)
  if (isNoisy(results)) {
    console.log('   NOISY: the load generator was on time for too little of the run for its latencies to be judged.')
    console.log('   Something else used its core. Run again when the machine is quiet.')
  }
}

/** Targets of the issue and the span balance. */
export function printVerdict(samples: readonly Sample[], isQuick: boolean): void {
  const totals = spanTotals(samples)
  if (totals !== undefined) {
    const { requests, acknowledged, distinct, lost, extra } = totals
    console.log(
      `\n== Spans: ${requests} requests answered, ${acknowledged} spans acknowledged (${distinct} distinct), ${lost} lost, ${extra} too many`,
    )
    const exact = samples.filter((sample) => sample.phase === 'fixed' && sample.spans !== undefined)
    const equal = exact.filter((sample) => sample.spans!.acknowledged === sample.requests)
    console.log(
      `   At a fixed rate no request is cut off: spans = requests in ${equal.length} of ${exact.length} measurements.`,
    )
    console.log(
      '   wrk cuts off what is under way at its end; those requests may have a span beyond the answered ones.',
    )
  }
  console.log(`\n== Targets of issue 2, everything on${isQuick ? ' (a quick run: too short to judge by)' : ''}`)
  printTargets(judge(samples))
}

export function printTargets(targets: readonly Target[]): void {
  const verdict = ({ measured, isReached }: Target): string =>
    isReached === undefined
      ? `not ${measured === undefined ? 'measured' : 'judged'}`
      : isReached
        ? 'reached'
        : 'NOT REACHED'
  printTable(
    ['target', 'measured', 'verdict'],
    targets.map((target) => [target.text, target.shown, verdict(target)]),
  )
}

function failedOf(results: PhaseResults, peer: string): string {
  return String(results.of(peer).reduce((sum, sample) => sum + sample.failed, 0))
}

function percent(share: number | undefined): string {
  return share === undefined ? '-' : `${Math.round(share * 100)} %`
}
