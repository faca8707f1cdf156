/** Credentials and idempotency keys are in no file, no answer and no span of the flight recorder, wherever they stood. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeaderBlock } from '../../src/core/headers.ts'
import { silentLogger } from '../../src/core/log.ts'
import type { Exchange } from '../../src/exchange/exchange.ts'
import { bodyKeeper } from '../../src/telemetry/recorder/bodies.ts'
import { isMapped, readMapped } from '../../src/telemetry/recorder/mapped-reader.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { Collector, until } from '../telemetry/collector.ts'
import { finishedExchange } from '../telemetry/finished-exchange.ts'

const SECRET = 'zQ7secret'
/** Each has a secret of its own, so that what leaked tells where it stood. */
const secret = fc.nat(1e9).map((n) => `${SECRET}${n}`)

const credentialHeader = fc.constantFrom(
  'Authorization',
  'authorization',
  'Proxy-Authorization',
  'Cookie',
  'Set-Cookie',
  'X-Api-Key',
  'X-Auth-Token',
  'Idempotency-Key',
  'X-Acme',
  'X-Amz-Security-Token',
  'Session-Id',
  'X-CSRF-Token',
  'Baggage',
  'Shown-Token',
)
const header = fc.oneof(
  fc.tuple(
    credentialHeader,
    fc.oneof(
      secret,
      secret.map((s) => `Bearer ${s}`),
      secret.map((s) => `a=1; sid=${s}`),
    ),
  ),
  fc.tuple(
    fc.constant('Referer'),
    secret.map((s) => `http://shop.example/cart?page=2&access_token=${s}`),
  ),
  fc.tuple(
    fc.constant('Location'),
    secret.map((s) => `https://user:${s}@login.example/cb?code=2#access_token=${s}`),
  ),
  fc.tuple(fc.constantFrom('Accept', 'X-Shown', 'ETag', 'Vary'), fc.constant('harmless')),
)
const json = fc.oneof(
  secret.map((s) => `{"user":"ann","password":"${s}","n":[1,2]}`),
  secret.map((s) => `{"a":{"apiKey" : "${s}\\"x", "b":2},"c":"d"}`),
  secret.map((s) => `{"credentials":{"x":["${s}",{"y":"${s}"}]},"z":1}`),
  secret.map((s) => `[{"client_secret":${s.replace(SECRET, '9')}},{"note":"Bearer ${s}"}]`),
  secret.map((s) => `{"callback":"https://h.example/x?token=${s}&a=1","\\u0070assword":"${s}"}`),
  secret.map((s) => `{"text":"nothing","accessToken":"${s}`),
)
const form = secret.map((s) => `user=ann&password=${s}&pass%77ord=${s}&x=1`)
const body = fc.oneof(
  json.map((text) => ['application/json; charset=utf-8', text] as const),
  form.map((text) => ['application/x-www-form-urlencoded', text] as const),
  secret.map((text) => ['text/plain', text] as const),
  secret.map((text) => ['', text] as const),
)
const path = fc.oneof(
  fc.constant('/orders/7'),
  secret.map((s) => `/orders?page=2&sig=${s}&To%6ben=${s}`),
)
const message = fc.record({
  headers: fc.array(header, { maxLength: 8 }),
  body,
  path,
  pairs: fc.boolean(),
  bound: fc.nat(60),
})

function block(headers: readonly (readonly [string, string])[], pairs: boolean): HeaderBlock {
  const made = new HeaderBlock()
  if (pairs) {
    for (const [name, value] of headers) made.pushPair(name.toLowerCase(), value, 0, false)
    return made
  }
  let text = ''
  for (const [name, value] of headers) {
    const at = text.length
    made.push(at, at + name.length, at + name.length + 2, at + name.length + 2 + value.length, 0, true)
    text += `${name}: ${value}\r\n`
  }
  made.seal(text)
  return made
}

function exchangeOf(one: ReturnType<typeof message.generate>['value'] & {}, failed: boolean): Exchange {
  const { headers, body: given, pairs, bound } = one
  const x = finishedExchange({
    path: one.path,
    host: `user:${SECRET}@shop.example`,
    status: failed ? 503 : 200,
    sampled: false,
  })
  const fields = given[0] === '' ? headers : [...headers, ['Content-Type', given[0]] as const]
  Object.assign(x.request, { headers: block(fields, pairs) })
  x.response!.headers = block(fields, pairs)
  const stage = bodyKeeper(bound === 0 ? 16_384 : bound)
  stage.onRequestData!(x, Buffer.from(given[1]))
  stage.onResponseData!(x, Buffer.from(given[1]))
  x.requestBytes = given[1].length
  x.responseBytes = given[1].length
  return x
}

test('no secret is in a dump, a mapped file, an answer of the admin server or a span', async () => {
  const folder = tempFolder()
  const collector = await new Collector().start()
  const [dump, file] = [join(folder, 'dump'), join(folder, 'ring')]
  const shown = { showHeaders: ['X-Shown', 'Shown-Token'], hideHeaders: [] }
  const telemetry = createTelemetry({
    ...{ resource: {}, version: '0', logger: silentLogger, scheduleMs: 20, otlp: { endpoint: collector.endpoint } },
    recorder: {
      ...shown,
      sections: 'all',
      tracesPerSecond: 1000,
      dump: { folder: dump, files: 1000, bytes: 64 << 20 },
      file: { path: file, bytes: 4 << 20, processes: 1 },
    },
  })
  const messages = fc.sample(message, { numRuns: 400, seed: 7 })
  for (const [i, one] of messages.entries()) telemetry.onFinish(exchangeOf(one, i % 2 === 0))
  const answers = JSON.stringify(telemetry.recorder.read({ limit: 1000 }))
  await until(
    () => collector.spans.length === 200,
    () => `${collector.spans.length} spans`,
  )
  await telemetry.close(2000)
  collector.stop()
  const dumps = readdirSync(dump).map((name) => readFileSync(join(dump, name), 'utf8'))
  assert.equal(dumps.length, 200)
  const bytes = readFileSync(file)
  assert.ok(isMapped(bytes))
  const mapped = readMapped(bytes)
  assert.equal(mapped.length, 400)
  const places = {
    answers,
    dumps: dumps.join(''),
    mapped: bytes.toString('latin1'),
    'mapped, read': JSON.stringify(mapped),
    spans: JSON.stringify(collector.spans, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  }
  for (const [place, text] of Object.entries(places)) {
    const at = text.indexOf(SECRET)
    assert.equal(at, -1, `${place}: …${text.slice(Math.max(0, at - 120), at + 40)}`)
    assert.ok(text.includes('harmless'), `${place} has what may be shown`)
  }
})
