/** RFC 9112 §2.2: an empty line before a request is ignored. Two are, and no more, however the bytes come. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { statusesIn } from '../support/raw-peers.ts'
import { Bench } from './bench.ts'

let bench: Bench
before(async () => {
  bench = await Bench.start()
})
after(() => bench.close())

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const FIRST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

async function statuses(pieces: readonly string[]): Promise<number[]> {
  const client = await bench.client()
  await client.sendPieces(pieces)
  const text = await client.untilClosed()
  client.close()
  return statusesIn(text)
}

for (const [lines, status] of [
  [1, 200],
  [2, 200],
  [3, 400],
  [100, 400],
] as const) {
  test(`${lines} before the first request → ${status}, in one piece, in lines and byte by byte`, async () => {
    const empty = '\r\n'.repeat(lines)
    assert.deepEqual(await statuses([empty + REQUEST]), [status])
    assert.deepEqual(await statuses([...Array<string>(lines).fill('\r\n'), REQUEST]), [status])
    assert.deepEqual(await statuses([...empty, REQUEST]), [status])
  })
}

test('after a request the count begins again', async () => {
  assert.deepEqual(await statuses([`\r\n\r\n${FIRST}\r\n\r\n${FIRST}\r\n\r\n${REQUEST}`]), [200, 200, 200])
})

test('a bare LF or CR is no empty line', async () => {
  assert.deepEqual(await statuses([`\n${REQUEST}`]), [400])
  assert.deepEqual(await statuses([`\r${REQUEST}`]), [400])
})
