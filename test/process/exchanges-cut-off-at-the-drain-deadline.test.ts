import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { eventually, type Problem } from '../support/proxy.ts'
import { Collector } from '../telemetry/collector.ts'
import { startInstance } from './instance.ts'

const CUT = 20

test('exchanges cut off at the drain deadline are answered 503, and have a span and a line in the access log', async (t) => {
  let held = 0
  const origin = createServer(() => held++).listen(0, '127.0.0.1')
  await once(origin, 'listening')
  const collector = await new Collector().start()
  const instance = await startInstance(`http://127.0.0.1:${(origin.address() as AddressInfo).port}`, [
    ...['--otlp-endpoint', collector.endpoint, '--access-log', 'all', '--timeouts-drain-ms', '200'],
  ])
  t.after(async () => {
    await instance.stop('SIGKILL')
    collector.stop()
    origin.close()
    origin.closeAllConnections()
  })
  const answers: Promise<unknown>[] = []
  for (let i = 0; i < CUT - 1; i++) {
    const call = request({ port: instance.port, path: `/${i}`, agent: false }).end()
    answers.push(
      once(call, 'response').then(async ([response]) => [
        response.statusCode,
        ((await json(response)) as Problem).code,
      ]),
    )
  }
  const session = connect(`http://127.0.0.1:${instance.port}`)
  const stream = session.request({ ':path': '/h2' })
  answers.push(
    once(stream, 'response').then(async ([head]) => [head[':status'], ((await json(stream)) as Problem).code]),
  )
  await eventually('the requests at the origin', () => held === CUT)
  assert.equal(await instance.stop('SIGTERM'), 0)
  assert.deepEqual(await Promise.all(answers), Array(CUT).fill([503, 'draining']))
  await eventually('the lines', () => instance.accessLog.length === CUT)
  const codes = new Set(collector.spans.map(({ attributes }) => attributes['hopscope.error.code']))
  assert.deepEqual([collector.spans.length, ...codes], [CUT, 'draining'])
  const recorded = collector.spans.filter(({ attributes }) => 'hopscope.recorded' in attributes)
  assert.equal(recorded.length, 0, 'they were sampled')
})
