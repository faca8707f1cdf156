import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const SPOOFED =
  'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Host: worse\r\n' +
  'Forwarded: for=1.1.1.1\r\nForwarded: for=2.2.2.2;host=evil\r\nX-Real-IP: 1.1.1.1\r\nX-Real-IP: 2.2.2.2\r\n'

const NAMES = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'x-real-ip']

async function sent(t: import('node:test').TestContext, mode: string, headers: string): Promise<string[][]> {
  const { origin, dial } = await chain(t, await Origin.answering(() => ok('x')), { flags: { 'forwarded.mode': mode } })
  const client = await dial()
  client.send(`GET / HTTP/1.1\r\nHost: here:80\r\n${headers}\r\n`)
  await client.message()
  return NAMES.map((name) => fields(origin.requests[0]!, name))
}

test('append: the peer is the last address, whatever fields came', async (t) => {
  assert.deepEqual(await sent(t, 'append', ''), [['127.0.0.1'], ['http'], ['here:80'], [], []])
  const [addresses] = await sent(t, 'append', SPOOFED)
  assert.deepEqual(addresses, ['1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1'])
})

test('overwrite: nothing of what came is left', async (t) => {
  assert.deepEqual(await sent(t, 'overwrite', SPOOFED), [['127.0.0.1'], ['http'], ['here:80'], [], ['127.0.0.1']])
  assert.deepEqual(await sent(t, 'overwrite', ''), [['127.0.0.1'], ['http'], ['here:80'], [], []])
})

test('off: all is left as it is', async (t) => {
  assert.deepEqual(await sent(t, 'off', ''), [[], [], [], [], []])
  const [addresses, , , forwarded, realIp] = await sent(t, 'off', SPOOFED)
  assert.deepEqual(addresses, ['1.1.1.1', '2.2.2.2, 3.3.3.3'])
  assert.deepEqual(forwarded, ['for=1.1.1.1', 'for=2.2.2.2;host=evil'])
  assert.deepEqual(realIp, ['1.1.1.1', '2.2.2.2'])
})
