import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LookBack } from '../../src/aggregator/diagnosis/look-back.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { requestOf, sendOn } from '../aggregator/otlp-messages.ts'
import { ORIGIN_MS, rawSpan } from '../aggregator/raw-spans.ts'
import { running, until } from '../aggregator/running.ts'

/** A call from web to stock, whose span fails on demand. */
function trace(failed: boolean): { readonly web: object[]; readonly stock: object[] } {
  const [id, a, b, c] = [16, 8, 8, 8].map((bytes) => randomBytes(bytes).toString('hex'))
  const startMs = performance.timeOrigin + performance.now() - ORIGIN_MS - 20
  const http = { 'http.response.status_code': failed ? 500 : 200, 'url.path': '/x' }
  const of = { trace: id!, startMs, failed }
  return {
    web: [
      rawSpan({ ...of, span: a!, ms: 10, attributes: http }),
      rawSpan({
        ...of,
        span: b!,
        parent: a!,
        kind: 'client',
        ms: 8,
        attributes: { ...http, 'server.address': 'stock.mesh' },
      }),
    ],
    stock: [rawSpan({ ...of, span: c!, parent: b!, ms: 7, attributes: http })],
  }
}

test('failures of a service: in the API and at the webhook within ten seconds; kept over a restart, with what is usual', async (t) => {
  const posted: { event: string; incident: { summary: string } }[] = []
  let refusals = 1
  const hook = createServer((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += piece
    })
    request.on('end', () => {
      const taken = refusals-- <= 0
      if (taken) posted.push(JSON.parse(body))
      response.writeHead(taken ? 204 : 503).end()
    })
  }).listen(0, '127.0.0.1')
  await once(hook, 'listening')
  const webhook = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/hook`
  const first = await running({ epochMs: 700, alerts: { webhook } })
  let stopped = false
  t.after(async () => {
    stopped = true
    hook.close()
    hook.closeAllConnections()
    await first.stop()
  })
  let failing = false
  const load = (async () => {
    while (!stopped) {
      const traces = Array.from({ length: 6 }, () => trace(failing))
      await sendOn(first.grpcPort, requestOf(traces.flatMap(({ web }) => web) as never, 'web'))
      await sendOn(first.grpcPort, requestOf(traces.flatMap(({ stock }) => stock) as never, 'stock'))
      await sleep(50)
    }
  })()
  const watching = (): Promise<WatchState> => first.ask<WatchState>('hopscope/incidents')
  assert.deepEqual([(await watching()).state, (await watching()).incidents], ['learning', []])
  await until('what is usual is known', async () => (await watching()).ready >= 3)
  failing = true
  await until('an incident', async () => (await watching()).incidents.length === 1, 10_000)
  await until('a message', () => posted.length > 0, 5000)
  stopped = true
  await load
  const [incident] = (await watching()).incidents
  assert.equal(incident?.causes[0]?.diagnosis, 'server_error')
  assert.equal(incident?.causes[0]?.service, 'stock')
  assert.equal(posted[0]?.event, 'incident.opened')
  assert.equal(posted[0]?.incident.summary, incident?.summary)
  const shown = await first.ask<{ diagnosis: { verdict: string; causes: { service: string }[] } }>(
    `hopscope/trace/${incident!.causes[0]!.traceIds[0]}`,
  )
  assert.deepEqual([shown.diagnosis.verdict, shown.diagnosis.causes[0]?.service], ['failed', 'stock'])
  // Asked for by hand, from a minute before it until now, and from when it was on already.
  for (const fromMs of [incident!.openedMs - 60_000, incident!.openedMs - 1000]) {
    const question = (): string =>
      `from=${Math.round(fromMs)}&to=${Math.round(performance.timeOrigin + performance.now())}`
    const back = async (): Promise<LookBack> => first.ask<LookBack>(`hopscope/diagnosis?${question()}`)
    // Spans of the last second or two are on their way into files.
    await until('the same cause', async () => (await back()).causes.length > 0)
    const { causes, partial } = await back()
    assert.deepEqual([causes[0]?.diagnosis, causes[0]?.service, partial], ['server_error', 'stock', false])
  }
  const before = await first.ask<LookBack>('hopscope/diagnosis?from=1000&to=3000')
  assert.deepEqual([before.spans, before.causes], [0, []])
  await first.stop()
  const second = await running({}, first.folder)
  t.after(() => second.end())
  const again = await second.ask<WatchState>('hopscope/incidents')
  assert.equal(again.state, 'watching')
  assert.deepEqual([again.incidents[0]?.id, again.incidents[0]?.state], [incident!.id, 'closed'])
})
