/** `npm start`: three services in a chain, and within seconds the calls through them, with one slow and one failing hop. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import test from 'node:test'
import { startDev } from './dev-process.ts'

test('the demo draws three hops a call, names the slow hop and the failing one, and ends at ctrl-C', async () => {
  const dev = startDev(['--demo', '--port', '0'])
  try {
    await dev.shows(/^ {2}web .*\n {2}└ orders .*\n {4}└ payments .*$/m)
    await dev.shows(/^▲ GET \/checkout\/\d → 200 .* payments is slow: \d+ ms/m)
    await dev.shows(/^✗ GET \/checkout\/\d → 503 .* payments answered 500/m)
    assert.match(dev.screen(), /^ {4}└ payments POST \/charges +500 .*✗$/m)
    const [, url] = await dev.shows(/curl -i (http:\/\/\S+)\/checkout\/7/)
    assert.equal(await statusOf(`${url}/checkout/of-mine`), 200)
    await dev.shows(/GET \/checkout\/of-mine → \d{3}/)
  } finally {
    const { code, tookMs } = await dev.interrupt()
    assert.equal(code, 0)
    assert.ok(tookMs < 1500, `ended after ${tookMs} ms`)
  }
  // A pipe is no terminal: no colours.
  assert.ok(!dev.screen().includes('\x1b'))
})

test('a connection that payments drops is named, and a read is tried again', async () => {
  const dev = startDev(['--demo', '--port', '0'])
  try {
    await dev.shows(/payments failed: upstream_reset \(wait\)/)
    await dev.shows(/^ {6}[└├] try 1 .* upstream_reset$/m)
  } finally {
    await dev.interrupt()
  }
})

/** 200 for every answer that the demo's web gives by design: sometimes payments fails. */
function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, (response) => {
      response.resume().once('end', () => resolve([200, 503].includes(response.statusCode!) ? 200 : -1))
    })
      .once('error', reject)
      .end()
  })
}
