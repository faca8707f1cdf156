/** A real `hopscope proxy` process of a test: started by its command line, stopped by its pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { freePort } from '../support/free-port.ts'

export interface Instance {
  readonly child: ChildProcess
  readonly port: number
  readonly adminPort: number
  readonly metricsPort: number
  /** Lines of its log so far. */
  readonly lines: string[]
  /** Lines of its access log so far. */
  readonly accessLog: string[]
  /** Send a signal and wait for the end; the exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string>
}

/** Processes that a process started; Linux only. */
export const childrenOf = ({ pid }: ChildProcess): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number)

/** What the processes of `--concurrency` say of idempotency: one answer of each that serves. */
export async function answers({ adminPort }: Instance): Promise<readonly { readonly store: string }[]> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/idempotency`)
  return ((await answer.json()) as { processes: { store: string }[] }).processes
}

/** Longest wait for a start. */
const START_MS = 10_000

/** Start and wait for the line that says it listens. */
export async function startInstance(
  upstream: string,
  more: readonly string[] = [],
  ports?: { port: number; adminPort: number },
  env: NodeJS.ProcessEnv = process.env,
): Promise<Instance> {
  const port = ports?.port ?? (await freePort())
  const adminPort = ports?.adminPort ?? (await freePort())
  const args = ['build/cli/main.js', 'proxy', '--listen', `127.0.0.1:${port}`, '--upstream', upstream]
  const metricsPort = await freePort()
  args.push('--admin', `127.0.0.1:${adminPort}`, '--metrics', `127.0.0.1:${metricsPort}`, ...more)
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const accessLog: string[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => accessLog.push(line))
  const lines: string[] = []
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`not listening in ${START_MS} ms: ${lines.join('\n')}`))
    }, START_MS)
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lines.push(line)
      if (!line.includes('"msg":"listening"')) return
      clearTimeout(timer)
      resolve()
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`ended with ${code}: ${lines.join('\n')}`))
    })
  })
  return {
    child,
    port,
    adminPort,
    metricsPort,
    lines,
    accessLog,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal)
        await once(child, 'exit')
      }
      return child.exitCode ?? child.signalCode ?? ''
    },
  }
}
