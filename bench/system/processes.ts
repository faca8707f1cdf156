/** The processes that a report starts: pinned, logged to a file, and stopped by pid on every way out. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { processTree } from './proc.ts'

/** A process of ours. `log` is the file that has its standard error (and output, unless piped). */
export interface Started {
  readonly name: string
  readonly pid: number
  readonly child: ChildProcess
  readonly log: string
}

/** Which cores a process may use: the proxy under test has core 0 for itself, everything else the others. */
export type Place = 'proxy' | 'rest'

const started = new Set<Started>()
const cores = availableParallelism()
const hasTaskset = spawnSync('taskset', ['-V'], { stdio: 'ignore' }).status === 0
/** Real-time priority is for root, on Linux. */
const hasRealTime = spawnSync('chrt', ['-f', '1', 'true'], { stdio: 'ignore' }).status === 0
/** Whether the two places are really different cores. */
export const isPinned = hasTaskset && cores >= 2
const cpuList: Record<Place, string> = { proxy: '0', rest: cores > 2 ? `1-${cores - 1}` : '1' }

/** Temporary folder of this run, removed at exit. */
export const runDir = mkdtempSync(join(tmpdir(), 'hopscope-bench-'))

/** Command line that runs `command` on its place's cores. */
export function pinned(place: Place, command: string, args: readonly string[]): [string, string[]] {
  return isPinned ? ['taskset', ['-c', cpuList[place], command, ...args]] : [command, [...args]]
}

/**
 * A program that latency is measured with, ahead of what shares its core, where that may be: the time that a collector keeps
 * it from its socket would count as the peer's.
 */
export function ahead(...command: string[]): [string, ...string[]] {
  return (hasRealTime ? ['chrt', '-f', '1', ...command] : command) as [string, ...string[]]
}

/** Start a process that stays until {@link stop}; taskset replaces itself, so the pid is the program's own. */
export function start(name: string, place: Place, command: string, args: readonly string[]): Started {
  const log = join(runDir, `${name}.log`)
  const fd = openSync(log, 'a')
  const child = spawn(...pinned(place, command, args), { stdio: ['ignore', fd, fd] })
  closeSync(fd)
  child.on('error', () => {})
  const entry: Started = { name, pid: child.pid ?? -1, child, log }
  started.add(entry)
  return entry
}

/** Whether the process has ended, or never began. */
export function hasEnded(entry: Started): boolean {
  return entry.pid === -1 || entry.child.exitCode !== null || entry.child.signalCode !== null
}

/** End a process and its children: SIGTERM, and SIGKILL for what is left after two seconds. */
export async function stop(entry: Started): Promise<void> {
  const tree = entry.pid === -1 ? [] : processTree(entry.pid)
  if (!hasEnded(entry)) {
    const exit = once(entry.child, 'exit')
    entry.child.kill('SIGTERM')
    await Promise.race([exit, sleep(2000, undefined, { ref: false })])
  }
  if (!hasEnded(entry)) killAll(tree)
  started.delete(entry)
}

/** Run a program to its end and give its standard output; rejects if it fails or passes `timeoutMs`. */
export async function run(command: readonly string[], place: Place, timeoutMs: number): Promise<string> {
  const [file, ...args] = command
  const child = spawn(...pinned(place, file!, args), { stdio: ['ignore', 'pipe', 'pipe'] })
  const entry: Started = { name: file!, pid: child.pid ?? -1, child, log: '' }
  started.add(entry)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('latin1')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err = (err + chunk.toString('latin1')).slice(-2000)
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    if (code !== 0) throw new Error(`${file} ended with ${code ?? signal}: ${err || out}`)
    return out
  } finally {
    clearTimeout(timer)
    started.delete(entry)
  }
}

/** First line of what `command` prints about its version, or undefined where it is not installed. */
export function versionOf(command: string, ...args: string[]): string | undefined {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 5000 })
  if (result.error !== undefined) return undefined
  return `${result.stdout}${result.stderr}`.trim().split('\n')[0]
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  server.close()
  await once(server, 'close')
  return address.port
}

/** Wait until something listens on a loopback port; false after `timeoutMs` or when `entry` ended. */
export async function waitForPort(port: number, entry: Started, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline && !hasEnded(entry)) {
    const socket = connect(port, '127.0.0.1')
    const ok = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
      sleep(1000, false, { ref: false }),
    ])
    socket.destroy()
    if (ok) return true
    await sleep(50)
  }
  return false
}

/** End of a process's log, for the report of a failure. */
export function logTail(entry: Started): string {
  return readFileSync(entry.log, 'utf8').trim().split('\n').slice(-5).join('\n')
}

/** Stop all that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...started].map(stop))
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone, which was the aim.
    }
  }
}

// A worker of nginx outlives a killed master, hence whole trees.
process.on('exit', () => {
  for (const entry of started) if (!hasEnded(entry)) killAll(processTree(entry.pid))
  rmSync(runDir, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    console.error(`\n${signal}: stopping what was started`)
    process.exit(130)
  })
}
