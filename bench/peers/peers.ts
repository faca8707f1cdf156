/** The peers of the report: how each is started. A peer that does not start is reported and left out. */
import { fileURLToPath } from 'node:url'
import { freePort, hasEnded, logTail, type Started, start, stop, waitForPort } from '../system/processes.ts'
import { type Collector, startCollector } from './collector-process.ts'
import { fillTemplate } from './template.ts'

/** A peer that is running; `entry` is undefined for `direct`, the origin with no proxy before it. */
export interface RunningPeer {
  readonly name: string
  readonly port: number
  readonly entry?: Started
  /** Only where every span has to arrive. */
  readonly collector?: Collector
}

/** Names in the order of the report. */
export const PEER_NAMES = [
  'direct',
  'nginx',
  'haproxy',
  'http-proxy',
  'http2-proxy',
  'hopscope-off',
  'hopscope',
  'hopscope-again',
  'hopscope-hang',
] as const
export type PeerName = (typeof PEER_NAMES)[number]

type Command = readonly [string, ...string[]]
const compiled = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Starts one peer; throws with the end of its log when it does not come up. */
export async function startPeer(name: PeerName, originPort: number): Promise<RunningPeer> {
  if (name === 'direct') return { name, port: originPort }
  const port = await freePort()
  const isTraced = name.startsWith('hopscope') && name !== 'hopscope-off'
  const isAnswered = isTraced && name !== 'hopscope-hang'
  const collector = isTraced ? await startCollector(name, isAnswered ? 'acknowledge' : 'hang') : undefined
  const [command, ...args] = await commandOf(name, port, originPort, collector)
  const entry = start(name, 'proxy', command, args)
  if (!(await waitForPort(port, entry, 10_000)) || !(await answers(port))) {
    const reason = entry.pid === -1 ? `${command} is not installed` : logTail(entry) || 'it does not answer with 200'
    await stop(entry)
    if (collector !== undefined) await stop(collector.entry)
    throw new Error(reason)
  }
  return { name, port, entry, ...(isAnswered && collector !== undefined ? { collector } : {}) }
}

/** Why a running peer can't be measured any more, or undefined while it is well. */
export function failureOf(peer: RunningPeer): string | undefined {
  return peer.entry !== undefined && hasEnded(peer.entry) ? `ended: ${logTail(peer.entry)}` : undefined
}

async function commandOf(name: PeerName, port: number, origin: number, collector?: Collector): Promise<Command> {
  switch (name) {
    case 'nginx':
      return ['nginx', '-c', fillTemplate('nginx.conf', { PORT: port, ORIGIN: origin })]
    case 'haproxy':
      return ['haproxy', '-db', '-f', fillTemplate('haproxy.conf', { PORT: port, ORIGIN: origin })]
    case 'http-proxy':
    case 'http2-proxy':
      return [process.execPath, compiled(`./${name}.js`), String(port), String(origin)]
    default:
      return hopscope(port, origin, collector)
  }
}

/**
 * As a user starts it; "everything on" is the default plus an exporter, so nothing is tuned for the bench. But for the
 * governor: it would leave out spans, and every one is to be paid for and counted.
 */
async function hopscope(port: number, origin: number, collector?: Collector): Promise<Command> {
  const telemetry =
    collector === undefined
      ? []
      : [
          '--otlp-endpoint',
          `http://127.0.0.1:${collector.port}`,
          '--sample',
          '1',
          '--telemetry-governor-enabled',
          'false',
        ]
  return [
    process.execPath,
    compiled('../../cli/main.js'),
    'proxy',
    '--listen',
    `127.0.0.1:${port}`,
    '--upstream',
    `http://127.0.0.1:${origin}`,
    '--metrics',
    `127.0.0.1:${await freePort()}`,
    '--admin',
    `127.0.0.1:${await freePort()}`,
    '--access-log',
    'off',
    ...telemetry,
  ]
}

/** One request, tried for three seconds: some programs listen before they can serve. */
async function answers(port: number): Promise<boolean> {
  const deadline = Date.now() + 3000
  while (Date.now() < deadline) {
    const response = await fetch(`http://127.0.0.1:${port}/small`, { signal: AbortSignal.timeout(2000) }).catch(
      () => undefined,
    )
    await response?.arrayBuffer()
    if (response?.ok === true) return true
  }
  return false
}
