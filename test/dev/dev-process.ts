/** A real `hopscope dev` process of a test: started by its command line, stopped by ctrl-C's signal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface DevProcess {
  readonly child: ChildProcess
  /** All that it wrote to the screen so far. */
  screen(): string
  /** Resolves to the match as soon as the screen has one; rejects with the screen after `deadlineMs`. */
  shows(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>
  /** Send SIGINT; the exit code and how long the end took. */
  interrupt(): Promise<{ code: number | null; tookMs: number }>
}

export function startDev(args: readonly string[], env: Readonly<Record<string, string>> = {}): DevProcess {
  const child = spawn(process.execPath, ['build/cli/main.js', 'dev', ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  let changed = (): void => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      changed()
    })
  }
  child.once('exit', () => changed())
  return {
    child,
    screen: () => text,
    shows: (pattern, deadlineMs = 15_000) =>
      new Promise((resolve, reject) => {
        const give = (error: Error): void => {
          clearTimeout(timer)
          reject(error)
        }
        const timer = setTimeout(() => give(new Error(`${pattern} did not come up:\n${text}`)), deadlineMs)
        changed = () => {
          const match = pattern.exec(text)
          if (match !== null) {
            clearTimeout(timer)
            resolve(match)
          } else if (child.exitCode !== null) give(new Error(`ended with ${child.exitCode}:\n${text}`))
        }
        changed()
      }),
    interrupt: async () => {
      if (child.exitCode !== null) return { code: child.exitCode, tookMs: 0 }
      const begun = performance.now()
      const ended = once(child, 'exit')
      child.kill('SIGINT')
      await ended
      return { code: child.exitCode, tookMs: performance.now() - begun }
    },
  }
}
