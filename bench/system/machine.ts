/** What the figures were measured on. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { isPinned, versionOf } from './processes.ts'

/** Facts by name, in the order to print. */
export function machineFacts(): Record<string, string> {
  return {
    machine: `${cpus()[0]?.model ?? 'unknown CPU'} ${arch()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `${type()} ${release()}`,
    'load before': loadavg()
      .map((value) => value.toFixed(2))
      .join(' '),
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
