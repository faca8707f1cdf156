/** A real `hopscope aggregator` process of a test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface AggregatorProcess {
  readonly child: ChildProcess
  readonly grpcPort: number
  readonly uiPort: number
  /** JSON lines of its log so far. */
  log(): string
  ask<T>(path: string): Promise<T>
  kill(signal: NodeJS.Signals): Promise<number | null>
}

/** Rejects where it ends before it listens. */
export async function aggregatorProcess(args: readonly string[]): Promise<AggregatorProcess> {
  const any = ['--otlp-grpc', '127.0.0.1:0', '--otlp-http', 'off', '--ui', '127.0.0.1:0', '--metrics', 'off']
  const child = spawn(process.execPath, ['build/cli/main.js', 'aggregator', ...any, ...args], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let text = ''
  let heard = (): void => {}
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    heard()
  })
  const exited = once(child, 'exit')
  const line = await new Promise<string>((resolve, reject) => {
    heard = () => {
      const found = text.split('\n').find((one) => one.includes('"msg":"listening"'))
      if (found !== undefined) resolve(found)
    }
    void exited.then(() => reject(new Error(`it ended:\n${text}`)))
  })
  const { otlpGrpc, ui } = JSON.parse(line) as { otlpGrpc: string; ui: string }
  const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))
  return {
    child,
    grpcPort: portOf(otlpGrpc),
    uiPort: portOf(ui),
    log: () => text,
    ask: async <T>(path: string): Promise<T> => (await fetch(`http://${ui}/api/${path}`)).json() as Promise<T>,
    kill: async (signal) => {
      child.kill(signal)
      await exited
      return child.exitCode
    },
  }
}
