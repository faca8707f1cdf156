/** The whole sidecar: `hopscope iptables apply` as root, `hopscope sidecar` as uid 1337, the app as another user. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createPair, type Namespace, netnsUnavailable, type Pair, type Running } from './netns.ts'
import { APP_UID, dial, PROXY_UID, program } from './programs.ts'

const skip = netnsUnavailable()
const HOPSCOPE = [process.execPath, fileURLToPath(new URL('../../cli/main.js', import.meta.url))]
let pair: Pair
let sidecar: Running

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Seen {
  readonly name: string
  readonly peer: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function call(from: Namespace, host: string, port: number, path: string, body?: string): Answer {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const more = body === undefined ? [] : [body]
  const { stdout, stderr } = from.exec(program('http-call', `http://${authority}${path}`, ...more), { uid: APP_UID })
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout) as Answer
}

const seen = (answer: Answer): Seen => JSON.parse(answer.body) as Seen

before(async () => {
  if (skip !== false) return
  pair = createPair()
  const applied = pair.pod.exec([...HOPSCOPE, 'iptables', 'apply'])
  assert.equal(applied.status, 0, applied.stderr)
  const servers = [
    pair.pod.start(program('http-server', 80, 'app'), { uid: APP_UID }),
    pair.peer.start(program('http-server', 80, 'peer'), { uid: APP_UID }),
    pair.peer.start(program('direct-server', 443, 'peer'), { uid: APP_UID }),
  ]
  for (const server of servers) await server.line((line) => line === 'listening')
  sidecar = pair.pod.start([...HOPSCOPE, 'sidecar', '--port', '15001'], { uid: PROXY_UID })
  await listening()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

async function listening(): Promise<void> {
  const deadline = Date.now() + 8000
  while (dial(pair.pod, '127.0.0.1', 15001).includes('ECONNREFUSED')) {
    assert.equal(sidecar.child.exitCode, null, `the sidecar ended: ${sidecar.stderr()}${sidecar.lines.join('\n')}`)
    assert.ok(Date.now() < deadline, `the sidecar does not listen: ${sidecar.stderr()}`)
    await pause(50)
  }
}

const openFiles = (): number => readdirSync(`/proc/${sidecar.child.pid}/fd`).length

test('hopscope iptables check finds the rules right', { skip }, () => {
  const { status, stderr } = pair.pod.exec([...HOPSCOPE, 'iptables', 'check'])
  assert.equal(status, 0, stderr)
})

for (const family of ['v4', 'v6'] as const) {
  test(`${family}: a peer calls the app through it`, { skip }, () => {
    const answer = call(pair.peer, pair.pod[family], 80, '/in?a=1', 'hello')
    assert.equal(answer.status, 200, answer.body)
    assert.equal(answer.headers['x-request-id'], 'from-the-client')
    const { name, peer, url, headers, body } = seen(answer)
    assert.deepEqual([name, peer, url, body], ['app', pair.pod[family], '/in?a=1', 'hello'])
    assert.equal(headers['x-request-id'], 'from-the-client')
    assert.match(headers.traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/)
  })

  test(`${family}: the app calls a peer through it`, { skip }, () => {
    const answer = call(pair.pod, pair.peer[family], 80, '/out', 'hello')
    assert.equal(answer.status, 200, answer.body)
    const { name, peer, headers, body } = seen(answer)
    assert.deepEqual([name, peer, body], ['peer', pair.pod[family], 'hello'])
    assert.match(headers.traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/)
  })

  test(`${family}: a server that speaks first and no HTTP is reached`, { skip }, () => {
    assert.equal(dial(pair.pod, pair.peer[family], 443), `direct peer ${pair.pod[family]}`)
  })

  test(`${family}: the app that calls itself is not carried`, { skip }, () => {
    const answer = call(pair.pod, pair.pod[family], 80, '/self')
    assert.equal(answer.headers['x-request-id'], undefined)
    assert.equal(seen(answer).headers.traceparent, undefined)
  })

  test(`${family}: calls of the proxy's own port end at once and leave nothing open`, { skip }, async () => {
    const loopback = family === 'v4' ? '127.0.0.1' : '::1'
    const open = openFiles()
    const calls: readonly (readonly [Namespace, string])[] = [
      [pair.peer, pair.pod[family]],
      [pair.pod, pair.pod[family]],
      [pair.pod, loopback],
    ]
    for (const [from, host] of calls) {
      const { status, body } = call(from, host, 15001, '/loop')
      // Refused on the connection or by a response; never forwarded, never hanging.
      assert.ok(status === 0 ? body !== 'timeout' : status === 403 || status === 508, `${status} ${body}`)
    }
    const deadline = Date.now() + 5000
    while (openFiles() > open && Date.now() < deadline) await pause(50)
    assert.ok(openFiles() <= open, `${openFiles()} open files after ${open}`)
    assert.equal(call(pair.peer, pair.pod[family], 80, '/after').status, 200)
  })

  test(`${family}: a peer cannot use it as a relay to another host`, { skip }, () => {
    const foreign = family === 'v4' ? '10.99.0.1' : 'fd99::1'
    const net = `${foreign}/${family === 'v4' ? 32 : 128}`
    const ip = ['ip', family === 'v4' ? '-4' : '-6', 'route', 'replace', net, 'via', pair.pod[family]]
    assert.equal(pair.peer.exec(ip).status, 0)
    const { status, body } = call(pair.peer, foreign, 80, '/relay')
    assert.ok(status === 0 ? body !== 'timeout' : status === 403, `${status} ${body}`)
  })
}

test('after clean the app is reached directly', { skip }, () => {
  assert.equal(pair.pod.exec([...HOPSCOPE, 'iptables', 'clean']).status, 0)
  const answer = call(pair.peer, pair.pod.v4, 80, '/')
  assert.equal(seen(answer).peer, pair.peer.v4)
  assert.equal(answer.headers['x-request-id'], undefined)
})
