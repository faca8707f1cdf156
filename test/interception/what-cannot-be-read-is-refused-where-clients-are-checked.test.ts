/**
 * Real rules and a sidecar that lets certain clients in alone: whatever could be a request and cannot be read as one is
 * refused, since the app behind may be less strict.
 */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Ca, folder, type Owner, write } from '../tls/certificates.ts'
import { createPair, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, program } from './programs.ts'
import { startSidecar } from './sidecar.ts'

const skip = netnsUnavailable()
const APP = `require('http').createServer((request, response) => response.end('answered'))
  .listen(80, '::', () => console.log('listening'))`
const endings: (() => void)[] = []
const owner: Owner = { after: (work) => endings.push(work) }
let pair: Pair

before(async () => {
  if (skip !== false) return
  const ca = await Ca.make(owner)
  const held = folder(owner)
  for (const path of [ca.folder, held]) chmodSync(path, 0o755)
  write(held, 'sidecar', await ca.mint(['inbound.example'], {}, 'sidecar'))
  const app = write(ca.folder, 'app', await ca.mint(['inbound.example'], {}, 'app'))
  pair = createPair()
  await startSidecar(pair.pod, [
    ...['--tls-certificates', held, '--tls-terminate', ':443', '--tls-client-auth', 'require'],
    ...['--tls-client-ca', ca.cert, '--tls-allowed-identities', 'spiffe://shop.example/front'],
    ...['--timeouts-detect-ms', '500'],
  ])
  const servers = [
    pair.pod.start(program('https-server', 443, app.cert, app.key, 'app'), { uid: APP_UID }),
    pair.pod.start([process.execPath, '-e', APP], { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip !== false) return
  await pair.cleanup()
  for (const end of endings) end()
})

/** Sends the parts, `gapMs` between them; gives what came back and how it ended. */
function send(port: number, parts: readonly string[], gapMs = 0): string {
  const code = `
    const socket = require('net').connect(${port}, '${pair.pod.v4}')
    let text = ''
    socket.setEncoding('latin1').on('data', (piece) => { text += piece })
    socket.on('error', (error) => console.log(error.code))
    socket.on('end', () => console.log(text.slice(9, 12), text.includes('answered') ? 'by the app' : ''))
    setTimeout(() => { console.log('open'); process.exit() }, 4000).unref()
    ;(async () => {
      for (const part of ${JSON.stringify(parts)}) {
        socket.write(part, 'latin1')
        await new Promise((resolve) => setTimeout(resolve, ${gapMs}))
      }
    })()`
  return pair.peer.exec([process.execPath, '-e', code], { uid: APP_UID }).stdout.trim()
}

/** A TLS client without a certificate: its answer, or what it failed with. */
function secure(options: string, flipVersion = false): string {
  const code = `
    const raw = require('net').connect(443, '${pair.pod.v4}')
    let first = ${flipVersion}
    const { Duplex } = require('stream')
    const socket = new Duplex({
      write(chunk, encoding, done) {
        if (first) { chunk = Buffer.from(chunk); chunk[2] = 5 }
        first = false
        raw.write(chunk, done)
      },
      read() {},
      final(done) { raw.end(done) },
    })
    raw.on('data', (piece) => socket.push(piece)).on('end', () => socket.push(null)).on('error', (e) => socket.destroy(e))
    const tls = require('tls').connect({ socket, servername: 'inbound.example', rejectUnauthorized: false, ${options} })
    tls.write('GET /secret HTTP/1.1\\r\\nHost: inbound.example\\r\\nConnection: close\\r\\n\\r\\n')
    tls.on('data', (piece) => console.log(String(piece).slice(9, 12))).on('error', () => console.log('refused'))
    tls.on('end', () => console.log('end'))
    setTimeout(() => { console.log('open'); process.exit() }, 4000).unref()`
  return pair.peer.exec([process.execPath, '-e', code], { uid: APP_UID }).stdout.trim().split('\n')[0]!
}

const GET = 'GET /secret HTTP/1.1\r\nHost: inbound.example\r\nConnection: close\r\n\r\n'

test('clear text: a request that is read gets its 403', { skip }, () => {
  assert.equal(send(80, [GET]), '403')
})

for (const [what, parts, gapMs] of [
  ['two empty lines before it', [`\r\n\r\n${GET}`], 0],
  ['a bare LF before it', [`\n${GET}`], 0],
  ['a method that is too long to be one', [`${'A'.repeat(30)}${GET.slice(3)}`], 0],
  ['its first letter, and the rest when detection is over', ['G', GET.slice(1)], 900],
  ['nothing, and all of it when detection is over', ['', GET], 900],
] as const) {
  test(`clear text: ${what}`, { skip }, () => {
    assert.match(send(80, parts, gapMs), /^(ECONNRESET|EPIPE)/)
  })
}

for (const [what, options, flipped] of [
  ['without a certificate', '', false],
  [
    'a hello of 20 KiB',
    `ALPNProtocols: ['http/1.1', ...Array.from({ length: 100 }, (_, i) => String(i).padStart(200, 'x'))]`,
    false,
  ],
  ['a record version that nobody uses', '', true],
] as const) {
  test(`TLS of a port that takes all of it: ${what}`, { skip }, () => {
    assert.equal(secure(options, flipped), 'refused')
  })
}

test('TLS of a port that takes all of it: what is no TLS', { skip }, () => {
  // A hello in the format of SSL 2, as OpenSSL still reads it.
  assert.equal(send(443, ['\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10']), 'ECONNRESET')
})
