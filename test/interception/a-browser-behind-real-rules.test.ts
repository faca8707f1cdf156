/** Chromium and openssl on the far side of real rules: TLS that a sidecar terminates, HTTP/2 by ALPN. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Ca, folder, type Owner, write } from '../tls/certificates.ts'
import { createPair, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, program } from './programs.ts'
import { type Sidecar, startSidecar } from './sidecar.ts'

const CHROMIUM = '/usr/bin/chromium'
const skip = netnsUnavailable() || (!existsSync(CHROMIUM) && 'needs chromium')
const endings: (() => void)[] = []
const owner: Owner = { after: (work) => endings.push(work) }
let pair: Pair
let sidecar: Sidecar
let ca: Ca

before(async () => {
  if (skip !== false) return
  ca = await Ca.make(owner)
  const held = folder(owner)
  for (const path of [ca.folder, held]) chmodSync(path, 0o755)
  write(held, 'sidecar', await ca.mint(['inbound.example'], {}, 'shown by the sidecar'))
  const app = write(ca.folder, 'app', await ca.mint(['inbound.example'], {}, 'shown by the app'))
  pair = createPair()
  sidecar = await startSidecar(pair.pod, ['--tls-certificates', held, '--upstream-tls-ca', ca.cert])
  const server = pair.pod.start(program('https-server', 443, app.cert, app.key, 'app'), { uid: APP_UID })
  await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip !== false) return
  await pair.cleanup()
  for (const end of endings) end()
})

test('a browser reads a page over TLS and HTTP/2, and its span says so', { skip }, async () => {
  const profile = join(folder(owner), 'profile')
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
  const page = [
    ...flags,
    `--user-data-dir=${profile}`,
    // The browser has a store of its own for authorities; that the chain is right is held by openssl below.
    '--ignore-certificate-errors',
    `--host-resolver-rules=MAP inbound.example ${pair.pod.v4}`,
    '--virtual-time-budget=2000',
    '--dump-dom',
    'https://inbound.example/seen-by-a-browser',
  ]
  const { stdout, stderr } = pair.peer.exec([CHROMIUM, ...page])
  assert.match(stdout, /"host":"inbound\.example"/, stderr)
  const { attributes, kind } = await sidecar.span((span) => span.attributes['url.path'] === '/seen-by-a-browser')
  assert.equal(kind, 'server')
  assert.equal(attributes['network.protocol.version'], '2')
  assert.equal(attributes['tls.protocol.version'], '1.3')
  assert.equal(attributes['http.response.status_code'], 200)
  assert.equal(attributes['hopscope.direction'], 'inbound')
})

test('openssl verifies the chain, and agrees on the protocol', { skip }, () => {
  const names = ['-servername', 'inbound.example', '-verify_hostname', 'inbound.example']
  const trust = ['-CAfile', ca.cert, '-verify_return_error', '-alpn', 'h2']
  const { stdout, stderr } = pair.peer.exec([
    'openssl',
    's_client',
    '-connect',
    `${pair.pod.v4}:443`,
    ...names,
    ...trust,
  ])
  assert.match(stdout, /Verify return code: 0 \(ok\)/, stderr)
  assert.match(stdout, /ALPN protocol: h2/)
})
