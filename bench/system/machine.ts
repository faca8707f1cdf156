/** What the figures were measured on. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPinned, versionOf } from './processes.ts'

/** Facts by name, in the order to print. */
export async function machineFacts(): Promise<Record<string, string>> {
  return {
    machine: `${cpus()[0]?.model ?? 'unknown CPU'} ${arch()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `${type()} ${release()}`,
    'busy before': `${Math.round((await busyShare(1000)) * 100)} % of all cores, load ${loadavg()[0]!.toFixed(2)}`,
    pinning: isPinned ? 'proxy on core 0, load, origin and collector on the others' : 'NONE: figures are unreliable',
    node: process.version,
    nginx: versionOf('nginx', '-v') ?? 'not installed',
    haproxy: versionOf('haproxy', '-v') ?? 'not installed',
    wrk: versionOf('wrk', '-v') ?? 'not installed: saturation by our own closed-loop generator',
    'http-proxy': packageVersion('http-proxy'),
    'http2-proxy': packageVersion('http2-proxy'),
    hopscope: revision(),
  }
}

/** Share of the machine's CPU time that was used while we slept: what others do here is noise in every figure. */
async function busyShare(ms: number): Promise<number> {
  const before = cpuTicks()
  await sleep(ms)
  const after = cpuTicks()
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all)
}

function cpuTicks(): { all: number; idle: number } {
  const [, ...fields] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!.split(/ +/)
  const ticks = fields.slice(0, 8).map(Number)
  return { all: ticks.reduce((sum, value) => sum + value, 0), idle: ticks[3]! + ticks[4]! }
}

function packageVersion(name: string): string {
  try {
    const text = readFileSync(new URL(`../../../node_modules/${name}/package.json`, import.meta.url), 'utf8')
    return (JSON.parse(text) as { version: string }).version
  } catch {
    return 'not installed'
  }
}

function revision(): string {
  const git = (...args: string[]) => spawnSync('git', args, { encoding: 'utf8' }).stdout?.trim() ?? ''
  const head = git('rev-parse', '--short', 'HEAD')
  return head === ''
    ? 'unknown revision'
    : `${head}${git('status', '--porcelain', 'src') === '' ? '' : ' with changes'}`
}
