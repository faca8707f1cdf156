/**
 * The chaos range on real services: thirteen processes, each in a network namespace of its own behind a real sidecar with
 * real rules, a real aggregator, load with a swing, and faults by seed. Needs root.
 *
 *   node build/bench/rca/real.js [--faults 8] [--first 1] [--rate 40] [--half] [--quiet-s 0] [--kinds delay,errors]
 *
 * Seeds from 2000 on are for the report and were never tuned on.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { type Fault, type FaultKind, faultsOf, isRight, seenAs } from './faults.ts'
import { ENTRY, SERVICES } from './mesh.ts'
import { createNetwork, end, exec, HUB, HUB_ADDRESS, type Node, run } from './namespaces.ts'
import { Random } from './random.ts'
import { halfBare } from './simulated.ts'

const REAL_KINDS = [
  ...['delay', 'errors', 'blackhole', 'cpu-burn', 'refused', 'route-errors', 'edge-loss', 'resets', 'jitter', 'pause'],
  'two-at-once',
] as const satisfies readonly FaultKind[]
const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '8' },
    first: { type: 'string', default: '1' },
    rate: { type: 'string', default: '40' },
    half: { type: 'boolean', default: false },
    'quiet-s': { type: 'string', default: '0' },
    kinds: { type: 'string', default: REAL_KINDS.join(',') },
  },
})
const first = Number(values.first)
const FAULT_S = 25
const LONGEST_LEARN_S = 150
const PROXY_UID = 1337
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const HOPSCOPE = [process.execPath, path('../../src/cli/main.js')]
const bare = values.half ? halfBare(new Random(first * 31)) : new Set<string>()

const folder = mkdtempSync(join(tmpdir(), 'hopscope-rca-'))
const nodes = createNetwork(SERVICES)
const nodeOf = (name: string): Node => nodes.find((one) => one.name === name)!
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const otlp = `${HUB_ADDRESS}:4317`
const ui = `${HUB_ADDRESS}:16686`
const where = ['--otlp-grpc', otlp, '--otlp-http', 'off', '--metrics', 'off', '--ui', ui]
const aggregator = await run(
  HUB,
  [...HOPSCOPE, 'aggregator', '--data-dir', folder, ...where, '--aggregator-wal-sync', 'never'],
  '"listening"',
)
const addresses = JSON.stringify(Object.fromEntries(nodes.map(({ name, address }) => [name, address])))
for (const { name, ns } of nodes) {
  await run(ns, [process.execPath, path('service.js'), name, addresses], 'listening', 1000)
  if (bare.has(name)) continue
  exec(ns, ...HOPSCOPE, 'iptables', 'apply', '--intercept-ports', '80', '--intercept-ipv6', 'false')
  const options = [
    '--service-name',
    name,
    '--otlp-endpoint',
    `http://${otlp}`,
    '--metrics',
    'off',
    '--access-log',
    'off',
  ]
  await run(ns, [...HOPSCOPE, 'sidecar', ...options, '--timeouts-first-byte-ms', '1200'], '"listening"', PROXY_UID)
}

const load = spawn(
  'ip',
  ['netns', 'exec', HUB, process.execPath, path('load.js'), nodeOf(ENTRY).address, values.rate],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
)
process.once('exit', () => load.kill('SIGKILL'))
const answers = createInterface({ input: load.stdout })[Symbol.asyncIterator]()
await answers.next()

async function state(): Promise<WatchState> {
  load.stdin.write(`http://${ui}/api/hopscope/incidents\n`)
  const { value } = await answers.next()
  return JSON.parse(JSON.parse(value as string)) as WatchState
}

const nowMs = (): number => performance.timeOrigin + performance.now()

function apply({ kind, service, from, route, size }: Fault, on: boolean): void {
  const { ns } = nodeOf(service)
  if (kind === 'blackhole' || kind === 'edge-loss') {
    const share = kind === 'blackhole' ? [] : ['-m', 'statistic', '--mode', 'random', '--probability', String(size)]
    const match = ['-p', 'tcp', '-s', nodeOf(from).address, '--dport', '80', ...share, '-j', 'DROP']
    exec(ns, 'iptables', '-t', 'raw', on ? '-I' : '-D', 'PREROUTING', ...match)
    return
  }
  const url = `http://127.0.0.1:8080/fault/${on ? `${kind}/${size}${route}` : 'none'}`
  exec(ns, process.execPath, '-e', `fetch(${JSON.stringify(url)}).then((r) => r.text())`)
}

async function calm(): Promise<void> {
  const until = nowMs() + LONGEST_LEARN_S * 1000
  let calmS = 0
  while (nowMs() < until && calmS < 8) {
    await sleep(1000)
    const { incidents, ready, signatures } = await state()
    calmS = ready > signatures * 0.8 && incidents[0]?.state !== 'open' ? calmS + 1 : 0
  }
}

interface Result {
  readonly rank: number
  readonly delayS: number
}
const cleaned = (service: string): string => service.replace(/\.mesh$/, '')

function rankOf(incident: Incident | undefined, faults: readonly Fault[]): number {
  const right = ({ service, from }: { service: string; from: string }): boolean =>
    faults.some((fault) => seenAs(fault, bare).some((seen) => isRight({ service: cleaned(service), from }, seen)))
  const at = incident?.causes.findIndex(right) ?? -1
  return at < 0 ? 99 : at + 1
}

async function one(kind: FaultKind, seed: number): Promise<Result> {
  const faults = faultsOf(kind, new Random(seed * 104729 + kind.length)).filter(({ kind }) =>
    (REAL_KINDS as readonly string[]).includes(kind),
  )
  await calm()
  const before = (await state()).incidents[0]?.id
  const onsetMs = nowMs()
  for (const fault of faults) apply(fault, true)
  let found: Incident | undefined
  while (nowMs() - onsetMs < FAULT_S * 1000) {
    await sleep(500)
    const newest = (await state()).incidents[0]
    if (newest !== undefined && newest.id !== before) found = newest
  }
  for (const fault of faults) apply(fault, false)
  const delayS = found === undefined ? Number.NaN : (found.openedMs - onsetMs) / 1000
  const rank = rankOf(found, faults)
  const told = found?.causes.slice(0, 3).map(({ text, weight }) => `${text} (${weight})`)
  const what = faults.map(
    ({ kind, from, service, route, size }) => `${kind} ${from}>${service}${route} ${size.toFixed(2)}`,
  )
  console.log(
    `${String(seed).padStart(5)} ${what.join(' + ')}: rank ${rank} after ${delayS.toFixed(1)} s: ${told?.join(' | ') ?? 'nothing'}`,
  )
  return { rank, delayS }
}

await calm()
const { ready, signatures, incidents } = await state()
console.log(
  `${SERVICES.length - bare.size} sidecars, ${ready} of ${signatures} places known, ${incidents.length} incidents so far`,
)
const quietS = Number(values['quiet-s'])
if (quietS > 0) {
  await sleep(quietS * 1000)
  const now = (await state()).incidents
  console.log(
    `${quietS} s without a fault: ${now.length - incidents.length} incidents ${now.map(({ summary }) => summary).join('; ')}`,
  )
}
const kinds = values.kinds.split(',') as FaultKind[]
const results: Result[] = []
for (let i = 0; i < Number(values.faults); i++) results.push(await one(kinds[i % kinds.length]!, first + i))
const share = (rank: number): string => `${results.filter((one) => one.rank <= rank).length} of ${results.length}`
const delays = results
  .map(({ delayS }) => delayS)
  .filter((s) => !Number.isNaN(s))
  .sort((a, b) => a - b)
const mean = results.reduce((sum, { rank }) => sum + Math.min(10, rank), 0) / Math.max(1, results.length)
console.log(
  `top-1 ${share(1)}, top-3 ${share(3)}, mean rank ${mean.toFixed(2)}; told after ${delays[Math.floor(delays.length / 2)]?.toFixed(1)} s in the middle, ${delays.at(-1)?.toFixed(1)} s at most`,
)
load.kill('SIGTERM')
await end(aggregator)
process.exit(0)
