/** Which certificate a client gets: by exact name, by wildcard, else the one for everybody. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Ca, folder, write } from './certificates.ts'
import { clientHello, records } from './hellos.ts'
import { type Terminating, terminating } from './terminating.ts'

async function served(t: TestContext): Promise<Terminating> {
  const ca = await Ca.make(t)
  const path = folder(t)
  write(path, 'zoo', await ca.mint(['exact.example', 'second.example']))
  write(path, 'default', await ca.mint(['default.example']))
  write(path, 'wild', await ca.mint(['*.wild.example', 'exact.wild.example']))
  mkdirSync(join(path, 'secret'))
  write(join(path, 'secret'), 'tls', await ca.mint(['mounted.example']))
  return await terminating(t, { settings: { 'tls.certificates': path } })
}

test('exact, wildcard, folder below, and the default for all others', async (t) => {
  const to = await served(t)
  const namesFor = async (servername: string): Promise<string> => {
    const { tls } = await to.dial({ servername, rejectUnauthorized: false })
    return tls.getPeerX509Certificate()?.subjectAltName ?? ''
  }
  const zoo = 'DNS:exact.example, DNS:second.example'
  const wild = 'DNS:*.wild.example, DNS:exact.wild.example'
  const fallback = 'DNS:default.example'
  for (const [servername, names] of [
    ['exact.example', zoo],
    ['EXACT.Example', zoo],
    ['exact.example.', zoo],
    ['second.example', zoo],
    ['any.wild.example', wild],
    ['mounted.example', 'DNS:mounted.example'],
    ['two.labels.wild.example', fallback],
    ['wild.example', fallback],
    ['', fallback],
    ['unknown.example', fallback],
    ['__proto__', fallback],
    ['constructor', fallback],
  ] as const) {
    assert.equal(await namesFor(servername), names, servername)
  }
})

/** What comes back, until the server closes. */
async function answerTo(port: number, bytes: Buffer): Promise<{ got: Buffer; reset: boolean }> {
  const socket = connect(port, '127.0.0.1')
  const parts: Buffer[] = []
  let reset = false
  socket.on('data', (chunk: Buffer) => parts.push(chunk))
  socket.on('error', () => {
    reset = true
  })
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  return { got: Buffer.concat(parts), reset }
}

test('a server name with NUL or other bytes that no name has is refused', async (t) => {
  const to = await served(t)
  for (const name of ['exact.example\0.evil.example', 'exact.example\r\n', 'exact example', 'ex/../act.example']) {
    const { got, reset } = await answerTo(to.port, records(clientHello({ serverName: name })))
    assert.equal(got.length, 0, JSON.stringify(name))
    assert.equal(reset, true)
  }
  const spans = await to.spans(({ name }) => name === 'tls handshake', 4)
  for (const { attributes } of spans) assert.equal(attributes['error.type'], 'client_tls_bad_hello')
  assert.equal(await to.metric('hopscope_tls_handshakes_total{outcome="client_tls_bad_hello"}'), 4)
})
