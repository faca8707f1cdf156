import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { WebSocketServer } from 'ws'
import { startInstance } from '../process/instance.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'

const CHROMIUM = '/usr/bin/chromium'
const skip = noOpenssl || (existsSync(CHROMIUM) ? false : 'chromium is not installed')

const PAGE = `<!doctype html><title>through the proxy</title><script>
  window.done = Promise.all([
    fetch('/api', { method: 'POST', body: 'x'.repeat(100000) }).then((r) => r.json()),
    new Promise((resolve, reject) => {
      const socket = new WebSocket(location.origin.replace('http', 'ws') + '/socket')
      socket.onopen = () => socket.send('hello')
      socket.onmessage = (event) => { socket.close(4000); resolve(event.data) }
      socket.onerror = () => reject(new Error('the WebSocket failed'))
    }),
  ])
</script>`

test('a browser loads a page, posts and opens a WebSocket over TLS and HTTP/2', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const http = createServer((request, response) => {
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => {
      if (request.url === '/api') response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ bytes }))
      else response.setHeader('Content-Type', 'text/html').end(PAGE)
    })
  })
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`got ${data}`)))
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const authority = new Authority()
  const pair = authority.issue('localhost')
  const upstream = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const instance = await startInstance(upstream, ['--tls-cert', pair.cert, '--tls-key', pair.key])
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  t.after(async () => {
    await browser.close()
    await instance.stop()
    sockets.close()
    http.closeAllConnections()
    http.close()
  })
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  await page.goto(`https://localhost:${instance.port}/`)
  assert.equal(await page.title(), 'through the proxy')
  const [posted, message] = (await page.evaluate('window.done')) as [{ bytes: number }, string]
  assert.equal(posted.bytes, 100_000)
  assert.equal(message, 'got hello')
  const protocols = (await page.evaluate(
    'performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation")).map((e) => e.nextHopProtocol)',
  )) as string[]
  assert.deepEqual([...new Set(protocols)], ['h2'])
})
