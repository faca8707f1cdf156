/** Real rules: apps that pass header fields on, clients that only listen, and servers that hang up. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createPair, netnsUnavailable, type Pair, type Running } from './netns.ts'
import { APP_UID } from './programs.ts'
import { HOPSCOPE, said, startSidecar } from './sidecar.ts'

const skip = netnsUnavailable()
let pair: Pair

const node = (code: string): string[] => [process.execPath, '-e', code]

/** Answers with the name, or what HOST answers where one is given: then as a gateway, with the fields that came. */
const gateway = (name: string, to: string): string[] =>
  node(`
    const http = require('http')
    http.createServer((request, response) => {
      if ('${to}' === '' || request.url === '/last') return response.end('${name}')
      const { url, headers } = request
      http.get({ host: '${to}', path: '${name}' === 'app' ? url : '/last', headers }, (answer) => {
        response.statusCode = answer.statusCode
        answer.pipe(response)
      })
    }).listen(80, '::', () => console.log('listening'))`)

const speaker = (port: number, act: string): string[] =>
  node(`require('net').createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}).resume()
    ${act}
  }).listen(${port}, '::', () => console.log('listening'))`)

async function listening(running: Running): Promise<void> {
  await running.line((line) => line === 'listening')
}

before(async () => {
  if (skip !== false) return
  pair = createPair()
  await startSidecar(pair.pod, [], { ports: '80,443,7000,7001' })
  await Promise.all(
    [
      pair.pod.start(gateway('app', pair.peer.v4), { uid: APP_UID }),
      pair.peer.start(gateway('peer', pair.pod.v4), { uid: APP_UID }),
      pair.peer.start(speaker(7000, `setTimeout(() => socket.end('a greeting'), 100)`)),
      pair.peer.start(speaker(7001, 'setTimeout(() => socket.resetAndDestroy(), 300)')),
    ].map(listening),
  )
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

function get(path: string): string {
  const code = `require('http').get('http://${pair.pod.v4}${path}', (response) => {
    let text = String(response.statusCode)
    response.setEncoding('utf8').on('data', (piece) => { text += ' ' + piece }).on('end', () => console.log(text))
  })`
  return pair.peer.exec(node(code), { uid: APP_UID }).stdout.trim()
}

test('an app that passes on the fields of the request it serves', { skip }, () => {
  assert.equal(get('/last'), '200 app')
})

test('one that is called back by whom it calls', { skip }, () => {
  assert.equal(get('/by-way-of-the-peer'), '200 app')
})

test('a client that sends FIN and nothing else gets what the server says', { skip }, () => {
  const code = `
    const socket = require('net').connect({ port: 7000, host: '${pair.peer.v4}', allowHalfOpen: true }, () => socket.end())
    let text = ''
    socket.setEncoding('utf8').on('data', (piece) => { text += piece }).on('end', () => console.log(text))`
  assert.equal(pair.pod.exec(node(code), { uid: APP_UID }).stdout.trim(), 'a greeting')
})

test('a client that waits for a greeting is told at once that the server hung up', { skip }, () => {
  const code = `
    const began = Date.now()
    require('net').connect(7001, '${pair.peer.v4}').on('error', ({ code }) => console.log(code, Date.now() - began))`
  const [errno, tookMs] = pair.pod.exec(node(code), { uid: APP_UID }).stdout.trim().split(' ')
  assert.equal(errno, 'ECONNRESET')
  assert.ok(Number(tookMs) < 3000, `${tookMs} ms`)
})

test('a sidecar of another user than the rules leave out finds its own calls, and says so', { skip }, async (t) => {
  const { pod, peer, cleanup } = createPair()
  t.after(cleanup)
  assert.equal(pod.exec([...HOPSCOPE, 'iptables', 'apply', '--intercept-ports', '80,7000']).status, 0)
  const sidecar = pod.start([...HOPSCOPE, 'sidecar', '--access-log', 'errors'], { uid: 1500 })
  await said(sidecar, '"msg":"listening"')
  await listening(peer.start(speaker(7000, '')))
  const call = (port: number, bytes: string): string =>
    pod
      .exec(
        node(`
          const socket = require('net').connect(${port}, '${peer.v4}', () => socket.write('${bytes}'))
          socket.on('data', (piece) => console.log(String(piece).slice(9, 12))).on('error', ({ code }) => console.log(code))
          setTimeout(() => process.exit(), 2000).unref()`),
        { uid: APP_UID },
      )
      .stdout.trim()
  assert.equal(call(7000, '\\0something'), 'ECONNRESET')
  assert.equal(call(80, 'GET / HTTP/1.1\\r\\nHost: here\\r\\nConnection: close\\r\\n\\r\\n'), '508')
  await sidecar.line((line) => line.includes('loop_detected'))
  assert.ok(readdirSync(`/proc/${sidecar.child.pid}/fd`).length < 60)
})

test('whoever dials the port of the proxy can have it refuse without end, not fill its log', { skip }, async (t) => {
  const { pod, peer, cleanup } = createPair()
  t.after(cleanup)
  const sidecar = await startSidecar(pod)
  const code = `
    const { connect } = require('net')
    let left = 200
    const next = () => left-- > 0 && connect(15001, '${pod.v4}').on('error', () => {}).on('close', next)
    next()`
  await once(peer.start(node(code)).child, 'exit')
  await said(sidecar.process, 'was refused')
  const lines = sidecar.process
    .stderr()
    .split('\n')
    .filter((line) => line.includes('was refused'))
  assert.ok(lines.length >= 5 && lines.length < 60, `${lines.length} lines`)
})
