/** `hopscope dev`: proxies, the receiver of their spans and the drawing of waterfalls in one process. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startIngest } from '../aggregator/ingest.ts'
import type { ReceivedSpan } from '../aggregator/span.ts'
import { TraceStore } from '../aggregator/traces.ts'
import type { Config } from '../config/schema.ts'
import { errnoOf } from '../core/errors.ts'
import { FREE_MS, startOrders, startPayments, startWeb } from '../dev/demo-services.ts'
import { startTraffic } from '../dev/demo-traffic.ts'
import { Live } from '../dev/live.ts'
import type { Style } from '../dev/style.ts'
import { type DevAggregator, startDevAggregator } from './dev-aggregator.ts'
import { type DevHttps, openDevHttps } from './dev-https.ts'
import { ending } from './ending.ts'
import { type RunningProxy, startProxy } from './proxy.ts'
import { startServers } from './servers.ts'

export interface DevOptions {
  /** Three services and traffic of our own instead of `config.target`. */
  readonly demo: boolean
  /** So many times the demo's usual calls, and its first fault sooner; 1 by default. */
  readonly demoPace?: number
  /** Speak TLS too, with a certificate of the local authority that is kept in this folder. */
  readonly httpsFolder?: string | undefined
  /** Default: colours where the terminal has them (NO_COLOR counts), and Unicode. */
  readonly style?: Partial<Style>
}

/** What has to end when dev ends, in the order in which it was begun. */
type DevEnding = () => unknown

const OTLP_PORT = 4317
const CALL_EVERY_MS = 700
/** Longest wait for spans and connections at the end. */
const STOP_MS = 800
const DEFAULT_SERVICE = 'unknown_service:hopscope'

/** Run until a signal ends it. Throws where it cannot start; what was started by then is stopped. */
export async function runDev(config: Config, options: DevOptions): Promise<void> {
  const endings: DevEnding[] = []
  const end = ending(() => void Promise.race([stopAll(endings), sleep(STOP_MS)]).finally(() => process.exit(0)))
  process.on('SIGINT', end.signal)
  process.on('SIGTERM', end.signal)
  // The reader of a pipe went away: nobody looks any more.
  process.stdout.on('error', () => end.begin('output'))
  try {
    const pace = options.demoPace ?? 1
    const receiving = await startDrawing(options, endings)
    const local = localConfig(config, receiving)
    const https =
      options.httpsFolder === undefined ? undefined : await openDevHttps(options.httpsFolder, config.tls.names)
    if (https !== undefined) endings.push(() => https.close())
    if (options.demo) await startDemo(local, endings, { pace, https })
    else await startTarget(local, endings, () => end.begin('quit'), https)
    for (const line of receiving.lines) print(line)
    print('Ctrl-C ends it.\n')
  } catch (error) {
    await stopAll(endings)
    throw error
  }
}

/** What receives spans. */
interface Receiving {
  readonly host: string
  /** Of OTLP/gRPC. */
  readonly port: number
  /** What to print of it. */
  readonly lines: readonly string[]
}

/** The receiver, and the drawing of what it receives. */
async function startDrawing(options: DevOptions, endings: DevEnding[]): Promise<Receiving> {
  const screen = process.stdout
  const color = options.style?.color ?? (screen.isTTY && screen.hasColors())
  const live = new Live({ screen, style: { color, unicode: options.style?.unicode ?? true } })
  const traces = new TraceStore({ quietMs: 400, incompleteQuietMs: 1500, onQuiet: (trace) => live.show(trace) })
  endings.push(
    () => live.close(),
    () => traces.close(),
  )
  return startReceiving((spans) => traces.add(spans), options.demoPace ?? 1, endings)
}

/** The aggregator with its page; where that cannot start, a receiver alone: the calls are drawn here all the same. */
async function startReceiving(
  onSpans: (spans: readonly ReceivedSpan[]) => void,
  pace: number,
  endings: DevEnding[],
): Promise<Receiving> {
  const freePort = async (wanted: number): Promise<number> => ((await isFree(wanted)) ? wanted : 0)
  const onFatal = (error: Error): void => print(`The page's store failed: ${error.message}`)
  const start = (): Promise<DevAggregator> => startDevAggregator({ freePort, onSpans, onFatal, pace })
  try {
    // Another one that starts now may have taken a port between the look at it and its use.
    const aggregator = await start().catch((error) => (isTaken(error) ? start() : Promise.reject(error)))
    endings.push(() => aggregator.close())
    const { host, port, httpPort, pageUrl } = aggregator
    const lines = [
      `The page with all traces: ${pageUrl}`,
      `Spans of your own: OTLP/gRPC on ${host}:${port}, OTLP/HTTP on http://${host}:${httpPort}`,
    ]
    return { host, port, lines }
  } catch (error) {
    const ingest = await startIngest({ port: await freePort(OTLP_PORT), onSpans })
    endings.push(() => ingest.close())
    return { ...ingest, lines: [`No page: ${error instanceof Error ? error.message : error}`] }
  }
}

/** Settings of a proxy that sends its spans to us. Warnings only: the screen belongs to the waterfalls. */
function localConfig(config: Config, { host, port }: Receiving): Config {
  const endpoint = `http://${host}:${port}`
  return {
    ...config,
    otlp: { ...config.otlp, endpoint, enabled: true, headers: {}, compression: 'none', scheduleMs: 200 },
    log: { level: config.log.level === 'info' ? 'warn' : config.log.level },
    accessLog: config.accessLog === 'all' ? 'all' : 'off',
  }
}

async function startTarget(config: Config, endings: DevEnding[], onQuit: () => void, https?: DevHttps): Promise<void> {
  if (config.port !== 0 && !(await isFree(config.port))) {
    throw new Error(`port ${config.port} is in use: choose another by --port N, or 0 for any`)
  }
  const named = config.service.name !== DEFAULT_SERVICE
  const service = named ? config.service : { name: new URL(config.target).host }
  const proxy = await startHop({ ...config, service }, endings, https)
  const { target, port } = config
  const servers = await startServers({
    served: proxy,
    config,
    describeConfig: () => ({ target, port, service }),
    onQuit,
    onDrain: () => proxy.plane.startDraining(),
  })
  endings.push(() => servers.close())
  print(`Hopscope stands before ${target}: use ${urlOf(proxy)} in its place, and each call is drawn here.`)
  for (const [name, address] of Object.entries(servers.addresses)) print(`${name}: http://${address}`)
  for (const line of https?.lines ?? []) print(line)
}

async function startDemo(
  config: Config,
  endings: DevEnding[],
  { pace, https }: { readonly pace: number; readonly https: DevHttps | undefined },
): Promise<void> {
  const hop = (name: string, target: string, port: number, tls?: DevHttps): Promise<RunningProxy> =>
    startHop({ ...config, port, target, service: { name }, admin: 'off', metrics: 'off' }, endings, tls)
  const payments = await startPayments({ freeMs: FREE_MS / Math.max(1, pace / 2) })
  endings.push(() => payments.close())
  const orders = await startOrders(urlOf(await hop('payments', payments.url, 0)))
  endings.push(() => orders.close())
  const web = await startWeb(urlOf(await hop('orders', orders.url, 0)))
  endings.push(() => web.close())
  const front = await hop('web', web.url, (await isFree(config.port)) ? config.port : 0, https)
  const url = urlOf(front)
  print('Three services, each behind its own Hopscope:  web → orders → payments')
  print('After a minute, and now and then, payments is in trouble: see Incidents on the page.')
  print(`Call them yourself:  curl -i ${url}/checkout/7   or   ${url}/orders/7`)
  for (const line of https?.lines ?? []) print(line)
  const traffic = startTraffic(clearUrlOf(front), CALL_EVERY_MS / pace)
  endings.push(() => traffic.stop())
}

async function startHop(config: Config, endings: DevEnding[], https?: DevHttps): Promise<RunningProxy> {
  const proxy = await startProxy({ command: 'dev', config, ...(https && { certificates: https.certificates }) })
  endings.push(() => {
    // What receives its last spans ends at the same time: that is no news.
    proxy.logLevel = 'silent'
    return proxy.close(STOP_MS / 4)
  })
  return proxy
}

/** Last begun, first ended; none waits for another's end. */
async function stopAll(endings: DevEnding[]): Promise<void> {
  await Promise.allSettled(
    endings
      .splice(0)
      .reverse()
      .map(async (end) => end()),
  )
}

const isTaken = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'

/** gRPC reports a port that is in use on the log rather than by an error, so that it is tried before. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    if (errnoOf(error) === '') throw error
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

function urlOf(proxy: RunningProxy): string {
  // The certificate is for localhost too, and it reads better.
  return proxy.secure ? `https://localhost:${proxy.address.port}` : clearUrlOf(proxy)
}

/** With TLS it takes clear text on the same port. */
function clearUrlOf({ address }: RunningProxy): string {
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
