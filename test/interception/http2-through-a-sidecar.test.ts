/** HTTP/2 by prior knowledge and gRPC on port 80, behind real rules: served as what they are, with spans. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { createPair, type Namespace, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, program } from './programs.ts'
import { type Sidecar, startSidecar } from './sidecar.ts'

const skip = netnsUnavailable()
const missing = (name: string): string | false =>
  skip || (spawnSync('which', [name]).status === 0 ? false : `${name} is not installed`)
let pair: Pair
let sidecar: Sidecar

before(async () => {
  if (skip !== false) return
  pair = createPair()
  sidecar = await startSidecar(pair.pod)
  const servers = [
    pair.pod.start(program('grpc-server', 80), { uid: APP_UID }),
    pair.peer.start(program('grpc-server', 80), { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

function run(from: Namespace, command: readonly string[]): string {
  const { stdout, stderr } = from.exec(command, { uid: APP_UID })
  assert.notEqual(stdout, '', stderr)
  return stdout
}

for (const family of ['v4', 'v6'] as const) {
  const host = (address: string): string => (family === 'v6' ? `[${address}]` : address)

  test(`${family}: gRPC calls of a peer reach the app, and their spans say method and status`, { skip }, async () => {
    const told = run(pair.peer, program('grpc-call', `${host(pair.pod[family])}:80`))
    assert.deepEqual(JSON.parse(told), { unary: 'hello', pieces: ['a', 'b', 'c'], status: 9 })
    const span = await sidecar.span(
      ({ attributes }) =>
        attributes['hopscope.direction'] === 'inbound' &&
        attributes['rpc.method'] !== undefined &&
        attributes['client.address'] === pair.peer[family] &&
        String(attributes['url.path']).endsWith('/Fail'),
    )
    assert.equal(span.kind, 'server')
    assert.equal(span.attributes['network.protocol.version'], '2')
    assert.equal(span.attributes['http.response.status_code'], 200)
    assert.match(JSON.stringify(span.attributes), /FAILED_PRECONDITION|"9"|:9[,}]/)
  })

  test(`${family}: gRPC calls of the app reach a peer`, { skip }, async () => {
    const told = run(pair.pod, program('grpc-call', `${host(pair.peer[family])}:80`))
    assert.deepEqual(JSON.parse(told), { unary: 'hello', pieces: ['a', 'b', 'c'], status: 9 })
    await sidecar.span(
      ({ kind, attributes }) =>
        kind === 'client' &&
        attributes['network.peer.address'] === pair.peer[family] &&
        String(attributes['url.full']).endsWith('/Split'),
    )
  })
}

test('nghttp finds its headers, h2load its answers', { skip: missing('h2load') }, () => {
  const url = `http://${pair.pod.v4}:80/hopscope.test.Echo/None`
  const said = run(pair.peer, ['nghttp', '-nv', url])
  assert.match(said, /x-request-id:/)
  assert.match(said, /recv \(stream_id=\d+\) :status: 200|recv \(stream_id=\d+\) :status: 415/)
  const loaded = run(pair.peer, ['h2load', '-n', '2000', '-c', '4', '-m', '20', url])
  assert.match(loaded, /2000 done/)
  assert.match(loaded, /0 errored, 0 timeout/)
})

test('curl by prior knowledge', { skip: missing('curl') }, () => {
  const url = `http://${pair.pod.v4}:80/hopscope.test.Echo/None`
  const code = run(pair.peer, [
    'curl',
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{http_version} %{http_code}',
    '--http2-prior-knowledge',
    url,
  ])
  assert.match(code, /^2 (200|415)$/)
})
