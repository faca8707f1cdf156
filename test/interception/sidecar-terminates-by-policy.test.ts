/**
 * Real rules and a real sidecar: TLS of names that it has a certificate for is terminated, read, and goes on over TLS to
 * the original destination; all other TLS goes on unread.
 */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Ca, folder, type Owner, write } from '../tls/certificates.ts'
import { createPair, type Namespace, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, program } from './programs.ts'
import { type Sidecar, startSidecar } from './sidecar.ts'

const skip = netnsUnavailable()
const endings: (() => void)[] = []
const owner: Owner = { after: (work) => endings.push(work) }
let pair: Pair
let sidecar: Sidecar
let ca: Ca

before(async () => {
  if (skip !== false) return
  ca = await Ca.make(owner)
  const held = folder(owner)
  // The sidecar and the apps are other users.
  for (const path of [ca.folder, held]) chmodSync(path, 0o755)
  const names = ['inbound.example', 'outbound.example', 'skipped.example']
  write(held, 'sidecar', await ca.mint(names, {}, 'shown by the sidecar'))
  const app = write(ca.folder, 'app', await ca.mint(['inbound.example'], {}, 'shown by the app'))
  const far = write(ca.folder, 'far', await ca.mint([...names, 'unknown.example'], {}, 'shown by the peer'))
  pair = createPair()
  sidecar = await startSidecar(pair.pod, [
    '--tls-certificates',
    held,
    '--tls-passthrough',
    'skipped.example',
    '--upstream-tls-ca',
    ca.cert,
  ])
  const servers = [
    pair.pod.start(program('https-server', 443, app.cert, app.key, 'app'), { uid: APP_UID }),
    pair.peer.start(program('https-server', 443, far.cert, far.key, 'peer'), { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip !== false) return
  await pair.cleanup()
  for (const end of endings) end()
})

interface Called {
  readonly status: number
  readonly shown: string
  readonly body: { readonly name: string; readonly sni: string; readonly host: string }
  readonly error?: string
}

function call(from: Namespace, to: string, servername: string, path: string): Called {
  const { stdout, stderr } = from.exec(program('https-call', to, servername, ca.cert, path), { uid: APP_UID })
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}

for (const family of ['v4', 'v6'] as const) {
  test(`${family}, inbound: read with our certificate, encrypted anew for the app under the name asked for`, {
    skip,
  }, async () => {
    const path = `/in-${family}`
    const { status, shown, body } = call(pair.peer, pair.pod[family], 'inbound.example', path)
    assert.deepEqual([status, shown, body.name, body.sni], [200, 'CN=shown by the sidecar', 'app', 'inbound.example'])
    const { attributes, kind } = await sidecar.span((span) => span.attributes['url.path'] === path)
    assert.equal(kind, 'server')
    assert.equal(attributes['hopscope.direction'], 'inbound')
    assert.equal(attributes['tls.protocol.version'], '1.3')
    assert.equal(attributes['tls.client.server_name'], 'inbound.example')
    assert.equal(attributes['hopscope.upstream.tls.client.server_name'], 'inbound.example')
    assert.ok((attributes['hopscope.phase.tls_us'] as number) > 0)
  })

  test(`${family}, outbound: likewise, with the destination of the app's own choosing`, { skip }, async () => {
    const path = `/out-${family}`
    const { status, shown, body } = call(pair.pod, pair.peer[family], 'outbound.example', path)
    assert.deepEqual([status, shown, body.name, body.sni], [200, 'CN=shown by the sidecar', 'peer', 'outbound.example'])
    const { attributes, kind } = await sidecar.span(
      (span) => span.attributes['url.full'] === `https://outbound.example${path}`,
    )
    assert.equal(kind, 'client')
    assert.equal(attributes['network.peer.address'], pair.peer[family])
    assert.equal(attributes['tls.protocol.version'], '1.3')
    assert.equal(attributes['hopscope.downstream.tls.protocol.version'], '1.3')
  })

  for (const [what, name] of [
    ['a name that no certificate is for', 'unknown.example'],
    ['a name by rule', 'skipped.example'],
    ['no name', ''],
  ] as const) {
    test(`${family}: ${what}: goes on unread`, { skip }, async () => {
      const { status, shown, body } = call(pair.pod, pair.peer[family], name, '/unread')
      assert.deepEqual([status, shown, body.name], [200, 'CN=shown by the peer', 'peer'])
      const { attributes } = await sidecar.span(
        (span) =>
          span.name === 'tunnel tls' &&
          span.attributes['network.peer.address'] === pair.peer[family] &&
          (span.attributes['tls.client.server_name'] ?? '') === name,
      )
      assert.ok((attributes['hopscope.phase.tls_us'] as number) > 0)
    })
  }
}

test('the destination decides, and must be who the client asked for: another one there is a fault', {
  skip,
}, async () => {
  // What listens at 443 of the pod is for inbound.example alone; `outbound.example` is a name that we hold as well.
  const { status, body } = call(pair.peer, pair.pod.v4, 'outbound.example', '/wrong')
  assert.equal(status, 502)
  assert.equal((body as unknown as { code: string }).code, 'tls_name_mismatch')
})
