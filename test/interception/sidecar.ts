/** A real sidecar in a namespace, with a receiver of its spans beside it. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Namespace, Running } from './netns.ts'
import { PROXY_UID, program } from './programs.ts'

export const HOPSCOPE = [process.execPath, fileURLToPath(new URL('../../cli/main.js', import.meta.url))]

/** A span as `span-receiver` tells it. */
export interface ToldSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly kind: string
  readonly durationUs: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly links: readonly {
    readonly traceId: string
    readonly spanId: string
    readonly attributes: Readonly<Record<string, string>>
  }[]
}

/** Path of the call that a span tells of: servers see the path alone, clients the whole URL. */
export function pathOf({ attributes }: ToldSpan): string {
  const full = attributes['url.full']
  return String(full === undefined ? attributes['url.path'] : new URL(String(full)).pathname)
}

export interface Sidecar {
  readonly process: Running
  /** The first span that `wanted` accepts. */
  span(wanted: (span: ToldSpan) => boolean): Promise<ToldSpan>
  /** All that came so far. */
  spans(): ToldSpan[]
}

const COLLECTOR = 4317

/** Rules, receiver and sidecar; resolves when it listens. `asRoot`: it has to step down by itself. */
export async function startSidecar(
  pod: Namespace,
  flags: readonly string[] = [],
  { mode = 'redirect', asRoot = false, ports = '80,443' } = {},
): Promise<Sidecar> {
  const rules = ['--intercept-mode', mode, '--intercept-ports', ports]
  const applied = pod.exec([...HOPSCOPE, 'iptables', 'apply', ...rules])
  assert.equal(applied.status, 0, applied.stderr)
  const receiver = pod.start(program('span-receiver', COLLECTOR))
  await receiver.line((line) => line === 'listening')
  const otlp = ['--otlp-endpoint', `http://127.0.0.1:${COLLECTOR}`, '--otlp-schedule-ms', '50']
  const command = [...HOPSCOPE, 'sidecar', '--intercept-mode', mode, ...otlp, ...flags]
  const running = pod.start(command, asRoot ? {} : { uid: PROXY_UID })
  await said(running, '"msg":"listening"')
  const told = (): ToldSpan[] => receiver.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  return {
    process: running,
    spans: told,
    async span(wanted) {
      const line = await receiver.line((one) => one.startsWith('{') && wanted(JSON.parse(one)))
      return JSON.parse(line)
    },
  }
}

/** Waits for a text on stderr. */
export async function said(running: Running, text: string, deadlineMs = 8000): Promise<void> {
  const until = Date.now() + deadlineMs
  while (!running.stderr().includes(text)) {
    assert.equal(running.child.exitCode, null, `it ended: ${running.stderr()}`)
    assert.ok(Date.now() < until, `no ${text} in time: ${running.stderr()}`)
    await pause(20)
  }
}
