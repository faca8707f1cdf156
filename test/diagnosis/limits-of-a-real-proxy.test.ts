/** A proxy that runs out of descriptors, and one whose event loop stands still: both say so, and are told by it. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CONTINUE, type Stage } from '../../src/exchange/stage.ts'
import { until } from '../aggregator/running.ts'
import { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { Range } from './real-hops.ts'

/** Descriptors of the proxy; it has some thirty of its own. */
const MOST = 70

interface Starved {
  readonly pid: number
  readonly port: number
  readonly metrics: string
}

/** A proxy process before `upstream`. */
async function starved(t: TestContext, range: Range, upstream: string): Promise<Starved> {
  const flags = ['--upstream', upstream, '--listen', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--admin', 'off']
  const more = [
    '--otlp-endpoint',
    range.otlp,
    '--otlp-schedule-ms',
    '20',
    '--service-name',
    'shop',
    '--concurrency',
    '1',
  ]
  const child = spawn(process.execPath, ['build/cli/main.js', 'proxy', ...flags, ...more])
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (text += piece))
  const found = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1]
  const [listen, metrics] = [/"port":(\d+),/, /"metrics":"([^"]+)"/]
  await until('it runs', () => found(metrics) !== undefined).catch(() => {
    throw new Error(`it does not run: ${text}`)
  })
  return { pid: child.pid!, port: Number(found(listen)), metrics: `http://${found(metrics)}/metrics` }
}

test('descriptors: near the limit a warning and a gauge, at it calls that fail by their own name', async (t) => {
  const range = await Range.start(t)
  const held: Socket[] = []
  // Takes requests and never answers, but for those of warming up.
  const origin = createServer((socket) => {
    held.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      if (bytes.includes('/warm')) socket.write(ok('x'))
    })
  }).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  t.after(() => {
    for (const socket of held) socket.destroy()
    origin.close()
  })
  const { pid, port, metrics } = await starved(
    t,
    range,
    `http://127.0.0.1:${(origin.address() as { port: number }).port}`,
  )
  await (await fetch(`http://127.0.0.1:${port}/warm`)).text()
  await until('spans go', async () => (await range.watching()).signatures > 0)
  await (await fetch(metrics)).text()
  // At the start it opens hundreds of files.
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${MOST}`])
  const peers: Peer[] = []
  t.after(() => {
    for (const { socket } of peers) socket.destroy()
  })
  for (let i = 0; i < 30; i++) {
    const peer = await Peer.connect(port)
    peers.push(peer)
    peer.send('GET /hang HTTP/1.1\r\nHost: shop\r\n\r\n')
  }
  await until('a call fails for want of a descriptor', async () => {
    const { traces } = await range.aggregator.ask<{ traces: { traceId: string }[] }>(
      'hopscope/search?service=shop&status=error&limit=5&lastMs=60000',
    )
    return traces.length > 0
  })
  const failed = await range.diagnosis('shop', '&status=error')
  assert.deepEqual([failed.verdict, failed.causes[0]?.diagnosis], ['failed', 'descriptors_short'])
  for (const { socket } of peers.splice(0, 3)) socket.destroy()
  let gauges = ''
  await until('the gauge knows', async () => {
    gauges = await (await fetch(metrics)).text()
    return new RegExp(`^hopscope_descriptors_limit ${MOST}$`, 'm').test(gauges)
  })
  const open = Number(/^hopscope_descriptors (\d+)$/m.exec(gauges)?.[1])
  assert.ok(open > MOST * 0.5 && open <= MOST, `${open}`)
  await until('another failure says how near it is', async () => {
    const peer = await Peer.connect(port)
    peers.push(peer)
    peer.send('GET /hang HTTP/1.1\r\nHost: shop\r\n\r\n')
    await sleep(100)
    return (await range.watching()).incidents.length > 0
  })
  const warning = await range.incident('a warning', ({ severity }) => severity === 'warning', 100)
  assert.equal(warning.causes[0]?.diagnosis, 'descriptors_short')
  assert.match(warning.causes[0]!.evidence[0]!, new RegExp(`^file descriptors: \\d+ of ${MOST} \\(\\d+ %\\) in use`))
})

test('an event loop that stands still: noted on the exchanges that it held up', async (t) => {
  const range = await Range.start(t)
  const origin = await Origin.answering(() => ok('x'))
  t.after(() => origin.close())
  const blocking: Stage = {
    name: 'blocks',
    role: 'observe',
    onRequestHead: (x) => {
      const end = performance.now() + (x.request.path === '/block' ? 180 : 0)
      while (performance.now() < end);
      return CONTINUE
    },
  }
  const port = await range.hop('shop', `http://127.0.0.1:${origin.port}`, {}, [blocking])
  const get = async (path: string): Promise<void> =>
    void (await (await fetch(`http://127.0.0.1:${port}${path}`)).text())
  await get('/warm')
  // Both requests are there before the loop stands still.
  await Promise.all([get('/block'), get('/other')])
  const spans = await range.spans('shop', 3)
  const pauses = spans
    .map((of) => of['hopscope.pause_us'] ?? of['hopscope.pause_before_us'])
    .filter((us) => us !== undefined)
  assert.ok(
    pauses.some((us) => (us as number) > 100_000 && (us as number) < 400_000),
    JSON.stringify(pauses),
  )
})
