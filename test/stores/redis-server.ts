/** Real redis-servers on loopback ports, each in a folder of its own; they end with the test. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'

/** For `skip`: why there is no redis-server, false where there is one. */
export const noRedis: string | false = hasRedis() ? false : 'redis-server is not installed'

function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Ports of a cluster: the bus is 10,000 above. */
export async function freeClusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port < 55_000) return port
  }
}

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly process: ChildProcess
  /** Ends it at once, as a power loss of the process. */
  kill(): Promise<void>
}

const READY = /Ready to accept connections|\+monitor master/

/** `lines` are lines of its configuration. */
export async function startRedis(folder: string, port: number, lines: readonly string[] = []): Promise<RedisServer> {
  return start(folder, port, ['save ""', ...lines], [])
}

/** A sentinel that watches the master at `masterPort` under the name `main`. */
export async function startSentinel(folder: string, port: number, masterPort: number): Promise<RedisServer> {
  const lines = [
    `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 2000',
  ]
  return start(folder, port, lines, ['--sentinel'])
}

async function start(folder: string, port: number, lines: readonly string[], flags: string[]): Promise<RedisServer> {
  const own = join(folder, `redis-${port}`)
  mkdirSync(own, { recursive: true })
  const config = join(own, 'redis.conf')
  writeFileSync(config, [`port ${port}`, 'bind 127.0.0.1', `dir ${own}`, ...lines, ''].join('\n'))
  const child = spawn('redis-server', [config, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  process.on('exit', () => child.kill('SIGKILL'))
  const log: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (log.length < 200) log.push(line)
      if (READY.test(line)) resolve()
    })
    void exited.then(() => reject(new Error(`redis-server ended:\n${log.join('\n')}`)))
  })
  // A test that failed must end all the same, and take its servers along.
  child.unref()
  ;(child.stdout as Socket).unref()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    process: child,
    async kill() {
      child.ref()
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** A cluster of three masters, each with a third of the slots. */
export async function startCluster(folder: string): Promise<RedisServer[]> {
  const servers: RedisServer[] = []
  for (let node = 0; node < 3; node++) {
    const lines = ['cluster-enabled yes', 'cluster-node-timeout 2000']
    servers.push(await startRedis(folder, await freeClusterPort(), lines))
  }
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
  execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], {
    stdio: 'ignore',
    timeout: 30_000,
  })
  return servers
}

export function redisCli(port: number, ...args: string[]): string {
  return execFileSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8' }).trim()
}

/** Waits until a replica follows its master. */
export async function replicaLinked(port: number): Promise<void> {
  const until = performance.now() + 15_000
  while (!redisCli(port, 'info', 'replication').includes('master_link_status:up')) {
    if (performance.now() > until) throw new Error('the replica never followed')
    await sleep(50)
  }
}
