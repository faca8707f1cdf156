/**
 * What attacks on HTTP/2 cost: `node build/bench/attacks/report.js [NAME-PART] [SECONDS]`. A proxy and an attacker are
 * processes of their own; the attacker floods a connection until it is closed, ten connections a second. A bystander asks
 * for something 200 times a second meanwhile, and so it did before, without an attack.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type ClientHttp2Session, connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ATTACKS } from '../../test/http2/attacks.ts'

const [, , part = '', seconds = '3'] = process.argv
const EVERY_MS = 5
const RUN_MS = Number(seconds) * 1000

let requests = 0
const server = createServer()
server.on('stream', (stream, headers) => {
  if (headers[':path'] === '/bystander') {
    stream.respond({ ':status': 200 })
    stream.end('fine')
  } else requests++
  stream.on('error', () => {})
})
server.on('sessionError', () => {})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const proxy = fork(here('../../test/http2/proxy-child.js'), [String((server.address() as AddressInfo).port)])
const [port] = (await once(proxy, 'message')) as [number]

async function cpuMs(child: ChildProcess): Promise<number> {
  child.send('cpu')
  const [used] = (await once(child, 'message')) as [NodeJS.CpuUsage]
  return (used.user + used.system) / 1000
}

async function timedCall(session: ClientHttp2Session): Promise<number> {
  const since = performance.now()
  const stream = session.request({ ':path': '/bystander' })
  stream.resume()
  await once(stream, 'end')
  return performance.now() - since
}

interface Measured {
  readonly p50: number
  readonly p99: number
  /** Of one core. */
  readonly cpu: number
}

/** Latency of a bystander, milliseconds, and CPU of the proxy, while whatever goes on goes on. */
async function bystand(): Promise<Measured> {
  const session = connect(`http://127.0.0.1:${port}`)
  await once(session, 'remoteSettings')
  const calls: Promise<number>[] = []
  const cpuBefore = await cpuMs(proxy)
  const since = performance.now()
  while (performance.now() - since < RUN_MS) {
    calls.push(timedCall(session))
    await sleep(EVERY_MS)
  }
  const times = (await Promise.all(calls)).sort((a, b) => a - b)
  const cpu = ((await cpuMs(proxy)) - cpuBefore) / (performance.now() - since)
  session.close()
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0
  return { p50: at(0.5), p99: at(0.99), cpu }
}

const row = (name: string, ...cells: readonly string[]): void =>
  console.log([name.padEnd(44), ...cells.map((cell) => cell.padStart(11))].join(''))

row('attack', 'p50 ms', 'p99 ms', 'p99 ratio', 'cpu', 'closed', 'upstream')
await bystand()
for (const attack of ATTACKS.filter(({ name }) => name.includes(part))) {
  // The machine is not the same from one minute to the next.
  const calm = await bystand()
  requests = 0
  const attacker = fork(here('./attacker.js'), [attack.name, String(port)])
  const under = await bystand()
  attacker.send('stop')
  const [connections] = (await once(attacker, 'message')) as [number]
  const share = (value: number): string => `${Math.round(value * 100)} %`
  row(
    attack.name,
    under.p50.toFixed(2),
    under.p99.toFixed(2),
    (under.p99 / calm.p99).toFixed(2),
    share(under.cpu - calm.cpu),
    String(connections),
    (requests / Math.max(1, connections)).toFixed(1),
  )
}
proxy.disconnect()
server.close()
