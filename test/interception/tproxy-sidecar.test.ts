/** TPROXY mode, whole: the sidecar starts as root, makes its socket and steps down; both directions, both families. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createPair, type Namespace, netnsUnavailable, type Pair } from './netns.ts'
import { APP_UID, dial, PROXY_UID, program } from './programs.ts'
import { pathOf, type Sidecar, startSidecar } from './sidecar.ts'

const skip = netnsUnavailable()
let pair: Pair
let sidecar: Sidecar

before(async () => {
  if (skip !== false) return
  pair = createPair()
  sidecar = await startSidecar(pair.pod, [], { mode: 'tproxy', asRoot: true })
  const servers = [
    pair.pod.start(program('http-server', 80, 'app'), { uid: APP_UID }),
    pair.peer.start(program('http-server', 80, 'peer'), { uid: APP_UID }),
    pair.peer.start(program('direct-server', 443, 'peer'), { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

interface Seen {
  readonly name: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

function call(from: Namespace, host: string, path: string): { status: number; seen: Seen } {
  const url = `http://${host.includes(':') ? `[${host}]` : host}${path}`
  const { stdout, stderr } = from.exec(program('http-call', url), { uid: APP_UID })
  const { status, body } = JSON.parse(stdout || JSON.stringify({ body: stderr }))
  assert.equal(status, 200, body)
  return { status, seen: JSON.parse(body) }
}

test('as many may wait for it as where there is no TPROXY', { skip }, () => {
  const { stdout } = pair.pod.exec(['ss', '--listening', '--tcp', '--numeric', '--no-header', 'sport = :15001'])
  assert.match(stdout, /^LISTEN +0 +4096 /)
})

test('no thread of it is root any more, nor has capabilities', { skip }, () => {
  const tasks = `/proc/${sidecar.process.child.pid}/task`
  const threads = readdirSync(tasks)
  assert.ok(threads.length > 1)
  for (const thread of threads) {
    const status = readFileSync(`${tasks}/${thread}/status`, 'latin1')
    for (const line of ['Uid', 'Gid']) assert.match(status, new RegExp(`^${line}:(\\t${PROXY_UID}){4}$`, 'm'))
    assert.match(status, /^Groups:\t *$/m)
    for (const line of ['CapPrm', 'CapEff', 'CapAmb']) assert.match(status, new RegExp(`^${line}:\\t0+$`, 'm'))
  }
})

for (const family of ['v4', 'v6'] as const) {
  test(`${family}: a peer calls the app through it`, { skip }, async () => {
    const path = `/in-${family}`
    const { seen } = call(pair.peer, pair.pod[family], path)
    assert.deepEqual([seen.name, seen.url], ['app', path])
    const span = await sidecar.span((told) => pathOf(told) === path)
    assert.deepEqual([span.kind, span.attributes['hopscope.direction']], ['server', 'inbound'])
    assert.ok(seen.headers.traceparent?.includes(span.spanId))
  })

  test(`${family}: the app calls a peer through it`, { skip }, async () => {
    const path = `/out-${family}`
    const { seen } = call(pair.pod, pair.peer[family], path)
    assert.deepEqual([seen.name, seen.url], ['peer', path])
    const span = await sidecar.span((told) => pathOf(told) === path)
    assert.deepEqual([span.kind, span.attributes['hopscope.direction']], ['client', 'outbound'])
  })

  test(`${family}: a server that speaks first and no HTTP is reached`, { skip }, async () => {
    assert.equal(dial(pair.pod, pair.peer[family], 443), `direct peer ${pair.pod[family]}`)
    const span = await sidecar.span(
      ({ attributes }) => attributes['network.peer.address'] === pair.peer[family] && attributes['server.port'] === 443,
    )
    assert.equal(span.name, 'tunnel server-first')
  })
}
