/** What failed at one proxy brings the whole trace to the aggregator, by what the others still have of it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isExchange, recordedIn } from '../../src/app/recording-source.ts'
import { fleet } from '../aggregator/fleet.ts'
import { type RunningAggregator, running, until } from '../aggregator/running.ts'
import { call, twoHops, unsampled } from './two-hops.ts'

interface Found {
  readonly hops: readonly {
    readonly service: string
    readonly http: number
    readonly spanId: string
    readonly gap: boolean
  }[]
}
interface Details {
  readonly attributes: Readonly<Record<string, unknown>>
}

const traceIn = async (at: RunningAggregator, traceId: string): Promise<Found> => {
  const { status, body } = await at.aggregator.query(`/api/hopscope/trace/${traceId}`)
  if (status !== 200) return { hops: [] }
  // The span of the client, which sends none, and of whoever is still awaited, stand there as gaps.
  return { hops: (JSON.parse(String(body)) as Found).hops.filter(({ gap }) => !gap) }
}

const isWhole = ({ hops }: Found): boolean => hops.length === 2

test('a failure that was hidden from the caller shows the hop in front as well, redacted', async (t) => {
  const aggregator = await running()
  const hops = await twoHops(['--otlp-endpoint', `http://127.0.0.1:${aggregator.grpcPort}`])
  t.after(async () => {
    await hops.end()
    await aggregator.end()
  })
  const good = unsampled()
  const bad = unsampled()
  const secrets = { authorization: 'Bearer request-secret', 'idempotency-key': 'key-secret', 'x-acme': 'acme-secret' }
  assert.equal((await call(hops.front.port, '/ok', { ...secrets, traceparent: good.traceparent })).body, 'behind: 200')
  assert.equal(
    (
      await call(hops.front.port, '/fail?token=query-secret', {
        ...secrets,
        traceparent: bad.traceparent,
        accept: 'x/y',
      })
    ).body,
    'behind: 503',
  )
  let found: Found = { hops: [] }
  await until('both hops are there', async () => {
    found = await traceIn(aggregator, bad.traceId)
    return isWhole(found)
  })
  assert.deepEqual(
    found.hops.map(({ service, http }) => [service, http]),
    [
      ['front', 200],
      ['back', 503],
    ],
  )
  assert.equal((await traceIn(aggregator, good.traceId)).hops.length, 0, 'the good one was not sampled')
  const [front, back] = await Promise.all(
    found.hops.map(({ spanId }) => aggregator.ask<Details>(`hopscope/trace/${bad.traceId}/span/${spanId}`)),
  )
  assert.equal(front!.attributes['hopscope.recorded'], true)
  assert.equal(front!.attributes['hopscope.recorded.reason'], 'asked')
  assert.equal(back!.attributes['hopscope.recorded'], undefined, 'it is exported for itself, and stands for itself')
  assert.equal(back!.attributes['hopscope.recorded.reason'], 'failed')
  assert.deepEqual(front!.attributes['http.request.header.accept'], ['x/y'])
  assert.deepEqual(front!.attributes['http.request.header.authorization'], ['REDACTED'])
  assert.deepEqual(back!.attributes['http.response.header.content-type'], ['application/json'])
  assert.doesNotMatch(JSON.stringify([front, back]), /-secret/)
})

test('proxies of another replica are asked too, and what they have goes to their folders as well', async (t) => {
  const [one, other] = await fleet(2)
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-asked-'))
  const endpoint = (at: RunningAggregator): string[] => ['--otlp-endpoint', `http://127.0.0.1:${at.grpcPort}`]
  const hops = await twoHops([...endpoint(one!), '--recorder-dump-dir', folder], endpoint(other!))
  t.after(async () => {
    await hops.end()
    await Promise.all([one!.end(), other!.end()])
    rmSync(folder, { recursive: true, force: true })
  })
  await call(hops.front.port, '/ok')
  const bad = unsampled()
  await call(hops.front.port, '/fail', { traceparent: bad.traceparent })
  await until('both hops are there', async () => isWhole(await traceIn(one!, bad.traceId)))
  const [name] = readdirSync(folder)
  assert.equal(name, `${bad.traceId}-${hops.front.child.pid}.jsonl`)
  const [recorded] = recordedIn(join(folder, name)).filter(isExchange)
  assert.deepEqual([recorded?.status, recorded?.path], [200, '/fail'])
})
