import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, type Message, type Peer } from '../support/client.ts'
import { Origin } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const PARENT = 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n'

async function answerTo(head: string, dial: () => Promise<Peer>): Promise<Message> {
  const client = await dial()
  client.send(head)
  return client.message()
}

test('what cannot be read at all: an id and a trace of its own', async (t) => {
  const { proxy, dial } = await chain(t, await Origin.answering(() => assert.fail('nothing may come here')))
  const heads = [
    'GET / HTTP/1.1\r\nno colon\r\n\r\n',
    `GET / HTTP/1.1\r\nX-Request-ID: kept?\r\n${PARENT}Bad Name: x\r\n\r\n`,
    `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: here\r\n\r\n`,
    'GET / HTTP/3.0\r\nHost: here\r\n\r\n',
  ]
  const ids = new Set<string>()
  for (const head of heads) {
    const response = await answerTo(head, dial)
    assert.ok(response.status >= 400, `${response.status}`)
    assert.match(field(response, 'x-request-id') ?? '', ID)
    ids.add(field(response, 'x-request-id')!)
  }
  assert.equal(ids.size, heads.length)
  const seen = await proxy.finished(heads.length)
  for (const { traceId, error } of seen) {
    assert.notEqual(error, undefined)
    assert.match(traceId, /^[0-9a-f]{32}$/)
  }
  assert.equal(new Set(seen.map(({ traceId }) => traceId)).size, heads.length)
  assert.ok(!seen.some(({ traceId }) => PARENT.includes(traceId)), 'a head that is in doubt says nothing of the trace')
})

test('a head that is read and refused keeps the id and the trace it came with', async (t) => {
  const { proxy, dial } = await chain(t, await Origin.answering(() => assert.fail('nothing may come here')))
  const both = `X-Request-ID: r-1\r\n${PARENT}`
  for (const head of [
    `CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n${both}\r\n`,
    `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${both}\r\n`,
  ]) {
    assert.equal(field(await answerTo(head, dial), 'x-request-id'), 'r-1')
  }
  for (const { traceId } of await proxy.finished(2)) assert.ok(PARENT.includes(traceId))
})
