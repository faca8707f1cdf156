/**
 * Spans a second into a real `hopscope aggregator` over gRPC, acknowledged after the write-ahead, and what that costs:
 * CPU of the whole process and of its threads, memory, and queries over what was stored.
 *
 *   node build/bench/aggregator/ingest.js [--spans 2000000] [--sync always|second|never] [--cpu 0] [--queries]
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { GrpcSender } from './grpc-sender.ts'
import { SpanSource } from './span-source.ts'

const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '1000000' },
    sync: { type: 'string', default: 'always' },
    cpu: { type: 'string' },
    queries: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '6' },
    keep: { type: 'string' },
    profile: { type: 'boolean', default: false },
  },
})

const PORTS = { grpc: 14317, ui: 16687 }
const CLOCK_TICKS = 100
const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'hopscope-bench-'))
const args = [
  ...(values.profile ? ['--cpu-prof', '--cpu-prof-dir=/tmp/hopscope-prof'] : []),
  ...['build/src/cli/main.js', 'aggregator', '--data-dir', folder, '--otlp-grpc', `127.0.0.1:${PORTS.grpc}`],
  ...['--otlp-http', 'off', '--metrics', 'off', '--ui', `127.0.0.1:${PORTS.ui}`],
  ...['--aggregator-wal-sync', values.sync],
]
const command =
  values.cpu === undefined ? [process.execPath, ...args] : ['taskset', '-c', values.cpu, process.execPath, ...args]
const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'inherit', 'pipe'] })
// A bench that fails must not leave it behind.
process.once('exit', () => child.kill('SIGKILL'))
let log = ''
child.stderr.setEncoding('utf8').on('data', (piece: string) => {
  log += piece
})
while (!log.includes('"listening"')) {
  if (child.exitCode !== null) throw new Error(log)
  await sleep(20)
}

interface Cpu {
  readonly name: string
  readonly s: number
}

function threads(): Cpu[] {
  return readdirSync(`/proc/${child.pid}/task`).map((id) => {
    const stat = readFileSync(`/proc/${child.pid}/task/${id}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    return { name: `${name}:${id}`, s: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS }
  })
}
const rssMiB = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1] ?? 0) / 1024

const source = new SpanSource(114)
const sender = new GrpcSender(PORTS.grpc)
const wanted = Number(values.spans)
const before = threads()
const begun = performance.now()
let sent = 0
let acknowledged = 0
let refused = 0
let peakMiB = 0
const sampling = setInterval(() => {
  peakMiB = Math.max(peakMiB, rssMiB())
}, 100)
const wallNs = BigInt(Math.round(performance.timeOrigin + performance.now())) * 1_000_000n

async function pump(): Promise<void> {
  while (sent < wanted) {
    sent += source.spans
    const request = source.next(wallNs + BigInt(Math.round((performance.now() - begun) * 1e6)) - 1_000_000_000n)
    for (;;) {
      const { status, message } = await sender.send(request)
      if (status === 0) break
      if (status !== 14 && status !== 8) throw new Error(`${status} ${message}`)
      refused++
      await sleep(50)
    }
    acknowledged += source.spans
  }
}
await Promise.all(Array.from({ length: Number(values.concurrency) }, pump))
const seconds = (performance.now() - begun) / 1000
const after = threads()
const cpu = after.map(({ name, s }) => ({ name, s: s - (before.find((one) => one.name === name)?.s ?? 0) }))
const total = cpu.reduce((sum, { s }) => sum + s, 0)
clearInterval(sampling)

console.log(
  `${acknowledged} spans of ${(source.bytes / source.spans).toFixed(0)} bytes in requests of ${source.spans}, sync ${values.sync}`,
)
console.log(`${(acknowledged / seconds).toFixed(0)} spans/s acknowledged; ${refused} requests refused on the way`)
console.log(
  `CPU ${((total / acknowledged) * 1e6).toFixed(2)} µs a span (${(acknowledged / total).toFixed(0)} spans a CPU second)`,
)
for (const { name, s } of cpu.filter((one) => one.s > 0.02).sort((a, b) => b.s - a.s)) {
  console.log(`  ${name.padEnd(28)} ${((s / acknowledged) * 1e6).toFixed(2)} µs a span`)
}
console.log(`memory ${peakMiB.toFixed(0)} MiB at most`)

async function ask(path: string): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${PORTS.ui}${path}`)
  return answer.json()
}
const statusOf = async (): Promise<{ spans: number; waiting: number; bytes: number }> =>
  (await ask('/api/hopscope/status')) as { spans: number; waiting: number; bytes: number }
let stored = await statusOf()
while (stored.waiting > 0) {
  await sleep(100)
  stored = await statusOf()
}
console.log(
  `stored ${stored.spans} spans in ${(stored.bytes / stored.spans).toFixed(0)} bytes each, ${((performance.now() - begun) / 1000).toFixed(1)} s after the start`,
)

if (values.queries) {
  const found = (await ask('/api/hopscope/search?limit=1&service=orders&lastMs=86400000')) as {
    traces: { traceId: string }[]
  }
  const spans = (await ask('/api/hopscope/spans?limit=1&lastMs=86400000&http=503')) as { spans: { traceId: string }[] }
  const id = spans.spans[0]?.traceId ?? found.traces[0]!.traceId
  const requestId = `${id.slice(0, 8)}-rrrr-4rrr-8rrr-rrrrrrrrrrrr`
  const queries = [
    `trace/${id}`,
    'search?service=orders&lastMs=86400000&limit=20',
    'search?service=stock&status=error&lastMs=86400000&limit=20',
    'search?route=/orders/{id}/items/{id}&minMs=1.9&lastMs=86400000&limit=50',
    `search?requestId=${requestId}&lastMs=86400000`,
    'search?attribute=url.path%3D/orders/7/items/1007&lastMs=86400000&limit=20',
    `search?attribute=http.request.header.x-request-id%3D${requestId}&lastMs=86400000&limit=20`,
    'search?attribute=nothing%3Dhas-it&lastMs=86400000',
    'services?lastMs=86400000',
    'map?lastMs=86400000',
    'heatmap?lastMs=86400000&service=orders',
    'clocks?lastMs=86400000',
  ]
  for (const query of queries) {
    const times: number[] = []
    let size = 0
    for (let i = 0; i < 3; i++) {
      const start = performance.now()
      const answer = await fetch(`http://127.0.0.1:${PORTS.ui}/api/hopscope/${query}`)
      size = (await answer.arrayBuffer()).byteLength
      times.push(performance.now() - start)
      if (!answer.ok) console.log(`  ${answer.status}`)
    }
    console.log(
      `  ${times.map((ms) => ms.toFixed(0).padStart(5)).join(' ')} ms  ${String(size).padStart(7)} B  ${query.slice(0, 90)}`,
    )
  }
  console.log(`memory after queries ${rssMiB().toFixed(0)} MiB`)
}
sender.close()
const ended = new Promise((resolve) => child.once('exit', resolve))
child.kill('SIGTERM')
await ended
if (log.includes('"error"')) console.log(log)
if (values.keep === undefined) rmSync(folder, { recursive: true, force: true })
