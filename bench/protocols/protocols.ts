/** Runs the scenarios: all contenders of one stay up, and take turns round by round. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { rotated } from '../measure/schedule.ts'
import { spreadOf } from '../measure/statistics.ts'
import { startCollector } from '../peers/collector-process.ts'
import { fillTemplate } from '../peers/template.ts'
import { printTable, show } from '../print/table.ts'
import { cpuBetween, readCpu } from '../system/proc.ts'
import {
  ahead,
  freePort,
  hasEnded,
  logTail,
  runDir,
  type Started,
  start,
  stop,
  waitForPort,
} from '../system/processes.ts'
import type { Origins, Running, Scenario, Target } from './scenario.ts'
import { scenarios } from './scenarios.ts'

/** One contender in one round. */
interface Turn {
  readonly name: string
  readonly round: number
  readonly requests: number
  readonly failed: number
  readonly perSecond: number
  readonly p99Us: number
  /** Microseconds a unit of the scenario. */
  readonly cpuUs: number
  readonly dataThreadUs: number
}

/**
 * Before the first round: compilers at run time share the proxy's core, and take some ten thousand requests until they are
 * done; a store in memory is full by then.
 */
const WARM_UP_SECONDS = 5

/** Work that a proxy still does after the last response is counted for this long. */
const SETTLE_MS = 1200

/** Run the named ones, print their tables, and give what was measured. */
export async function runProtocols(names: readonly string[], rounds: number, seconds: number): Promise<unknown> {
  makeCertificate()
  const [origins, redisPort] = [await startOrigins(), await startRedis()]
  const all: Record<string, readonly Turn[]> = {}
  for (const scenario of scenarios(redisPort)) {
    if (names.includes(scenario.name)) all[scenario.name] = await runScenario(scenario, origins, rounds, seconds)
  }
  return all
}

async function runScenario(scenario: Scenario, origins: Origins, rounds: number, seconds: number): Promise<Turn[]> {
  const running = await startAll(scenario, origins)
  const turns: Turn[] = []
  // One that fails says so in the first round.
  for (const one of running) await measure(scenario, one, 0, WARM_UP_SECONDS).catch(() => undefined)
  for (let round = 0; round < rounds; round++) {
    for (const one of rotated(running, round)) {
      console.error(`${scenario.name} ${one.contender.name}, round ${round + 1} of ${rounds}`)
      try {
        turns.push(await measure(scenario, one, round, seconds))
      } catch (error) {
        console.error(`${one.contender.name}: ${error instanceof Error ? error.message : error}`)
      }
    }
  }
  for (const { entry } of running) await stop(entry)
  print(scenario, turns, rounds, seconds)
  return turns
}

async function startAll(scenario: Scenario, origins: Origins): Promise<Running[]> {
  const running: Running[] = []
  for (const contender of scenario.contenders) {
    const port = await freePort()
    const [command, ...args] = await contender.command(port, origins)
    const entry = start(`${scenario.name}-${contender.name.replace(/\W+/g, '-')}`, 'proxy', command!, args)
    if (await waitForPort(port, entry, 10_000)) running.push({ contender, port, entry })
    else console.log(`left out: ${contender.name}: ${entry.pid === -1 ? 'not installed' : logTail(entry)}`)
  }
  return running
}

async function measure(
  scenario: Scenario,
  { contender, port, entry }: Running,
  round: number,
  seconds: number,
): Promise<Turn> {
  if (hasEnded(entry)) throw new Error(`it ended: ${logTail(entry)}`)
  const before = readCpu(entry.pid)
  const load = await (contender.load ?? scenario.load)(port, seconds)
  await sleep(SETTLE_MS)
  const spent = cpuBetween(before, readCpu(entry.pid))
  return {
    name: contender.name,
    round,
    requests: load.requests,
    failed: load.failed,
    perSecond: load.requests / (load.durationUs / 1e6),
    p99Us: load.p99Us,
    // Bodies of a passthrough are 1 MiB each: requests are mebibytes.
    cpuUs: spent.wholeUs / load.requests,
    dataThreadUs: spent.dataThreadUs / load.requests,
  }
}

type Figure = (turn: Turn) => number
const cpu: Figure = (turn) => turn.cpuUs

/** What the turns say of a contender. */
class Figures {
  readonly #turns: readonly Turn[]

  constructor(turns: readonly Turn[]) {
    this.#turns = turns
  }

  of(name: string): readonly Turn[] {
    return this.#turns.filter((turn) => turn.name === name)
  }

  spread(name: string, figure: Figure): ReturnType<typeof spreadOf> {
    return spreadOf(this.of(name).map(figure))
  }

  /** Median of the ratios of single rounds: what slows the machine for a while slows both. */
  ratio(name: string, figure: Figure, than: string): number | undefined {
    const ratios = this.of(name).flatMap((turn) => {
      const other = this.of(than).find(({ round }) => round === turn.round)
      return other === undefined ? [] : [figure(turn) / cpu(other)]
    })
    return spreadOf(ratios)?.median
  }
}

function print(scenario: Scenario, turns: readonly Turn[], rounds: number, seconds: number): void {
  console.log(`\n== ${scenario.title}: ${rounds} x ${seconds} s`)
  const { baseline, unit } = scenario
  const figures = new Figures(turns)
  const ratio = (name: string, figure: Figure): string => figures.ratio(name, figure, baseline)?.toFixed(2) ?? '-'
  const rows = scenario.contenders.map(({ name }) => [
    name,
    ratio(name, cpu),
    ratio(name, (turn) => turn.dataThreadUs),
    show(figures.spread(name, cpu), 1),
    show(figures.spread(name, (turn) => turn.perSecond)),
    show(figures.spread(name, (turn) => turn.p99Us)),
    String(figures.of(name).reduce((sum, turn) => sum + turn.failed, 0)),
  ])
  printTable(['', `x ${baseline}`, 'data thread', `CPU us/${unit}`, `${unit}s/s`, 'p99 us', 'failed'], rows)
  for (const target of scenario.targets ?? []) console.log(verdict(target, baseline, figures))
}

function verdict(target: Target, baseline: string, figures: Figures): string {
  if ('p99Us' in target) {
    const p99 = figures.spread(target.of, (turn) => turn.p99Us)?.median
    return told(`${target.of}: p99 at most ${target.p99Us} us`, p99, target.p99Us, (us) => `${Math.round(us)} us`)
  }
  const than = target.than ?? baseline
  const text = `${target.of}: CPU at most ${target.atMost} x ${than}`
  return told(text, figures.ratio(target.of, cpu, than), target.atMost, (times) => `${times.toFixed(2)} x`)
}

function told(text: string, measured: number | undefined, limit: number, show: (value: number) => string): string {
  if (measured === undefined) return `target: ${text}: not measured`
  return `target: ${text}: ${show(measured)}, ${measured <= limit ? 'reached' : 'NOT REACHED'}`
}

// === origins ===

async function startOrigins(): Promise<Origins> {
  const www = join(runDir, 'www')
  mkdirSync(join(www, 'bench.Orders'), { recursive: true })
  writeFileSync(join(www, '1m'), Buffer.alloc(1024 * 1024, 'abcdefgh'))
  // An answer of gRPC: one message of 24 bytes behind its five bytes of frame.
  writeFileSync(join(www, 'bench.Orders', 'Get'), Buffer.concat([Buffer.of(0, 0, 0, 0, 24), Buffer.alloc(24, 1)]))
  const [http1, tls, h2] = [await freePort(), await freePort(), await freePort()]
  await origin('nginx', ['-p', runDir, '-c', fillTemplate('origin.conf', { PORT: http1 })], http1)
  await origin('nginx', ['-p', runDir, '-c', fillTemplate('origin-tls.conf', { PORT: tls })], tls)
  await origin('nghttpd', ['--no-tls', '-d', www, '--trailer=grpc-status: 0', String(h2)], h2)
  const collector = await startCollector('protocols', 'acknowledge')
  return { http1, tls, h2, otlp: collector.port }
}

async function origin(command: string, args: readonly string[], port: number): Promise<void> {
  const [program, ...more] = ahead(command, ...args)
  const entry: Started = start(`origin-${port}`, 'rest', program, more)
  if (await waitForPort(port, entry, 5000)) return
  console.log(`left out: what needs ${command}: ${entry.pid === -1 ? 'it is not installed' : logTail(entry)}`)
}

async function startRedis(): Promise<number | undefined> {
  const port = await freePort()
  const args = ['--port', String(port), '--save', '', '--appendonly', 'no', '--dir', runDir]
  const entry = start('redis', 'rest', 'redis-server', args)
  if (await waitForPort(port, entry, 5000)) return port
  console.log('left out: redis: redis-server is not installed')
  return undefined
}

function makeCertificate(): void {
  const files = ['-keyout', join(runDir, 'bench.key'), '-out', join(runDir, 'bench.pem')]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const made = spawnSync('openssl', ['req', '-x509', ...curve, '-subj', '/CN=localhost', '-days', '2', ...files])
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`)
}
