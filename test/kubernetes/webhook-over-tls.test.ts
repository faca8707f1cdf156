/** The webhook as the API server meets it: TLS 1.3, reviews, refusals, a new certificate, health, metrics, a clean end. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { type RunningInjector, startInjector } from '../../src/app/injector.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { LeveledLogger } from '../../src/core/log.ts'
import { silentLogger } from '../../src/core/log.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { SHAPES } from './shapes.ts'
import { type Answer, answerOf, patchOf, reviewOf } from './support.ts'

const skip = noOpenssl
const folder = mkdtempSync(join(tmpdir(), 'hopscope-injector-'))
const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
const log: LeveledLogger = { ...silentLogger, level: 'silent' }
const agent = new Agent({ keepAlive: true })
let authority: Authority
let injector: RunningInjector

before(async () => {
  if (skip !== false) return
  authority = new Authority()
  useCertificate('first')
  const config = await loadConfig({
    command: 'injector',
    env: {},
    flags: {
      'injector.listen': '127.0.0.1:0',
      'injector.tlsCertificate': files.cert,
      'injector.tlsKey': files.key,
      'injector.image': 'hopscope:0.1.0',
      'injector.namespace': 'hopscope',
      'injector.nativeSidecars': 'always',
      'injector.maxBodyBytes': '100000',
      metrics: '127.0.0.1:0',
    },
  })
  assert.ok(config.ok)
  injector = await startInjector(config.config, undefined, log)
})
after(async () => {
  agent.destroy()
  await injector?.close()
  rmSync(folder, { recursive: true })
})

function useCertificate(name: string): void {
  const { cert, key } = authority.issue(name)
  copyFileSync(key, files.key)
  copyFileSync(cert, files.cert)
}

interface Got {
  readonly status: number
  readonly body: string
}

function call(method: string, path: string, body = '', type = 'application/json'): Promise<Got> {
  const ca = readFileSync(authority.cert)
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body) }
    const { port } = injector.webhook
    const sent = request({ host: '127.0.0.1', port, method, path, headers, ca, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode!, body: Buffer.concat(chunks).toString() }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function reviewed(path: string, pod: unknown): Promise<Answer> {
  const { status, body } = await call('POST', path, JSON.stringify(reviewOf(pod, { uid: 'u-1' })))
  assert.equal(status, 200, body)
  return answerOf(JSON.parse(body))
}

/** A handshake with at most this version; the connection, or why there is none. */
function handshake(maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<TLSSocket> {
  const { port } = injector.webhook
  const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(authority.cert), maxVersion })
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })
}

test('a pod of a namespace that asks gets a patch', { skip }, async () => {
  const answer = await reviewed('/inject/namespace', SHAPES.deployment!.pod)
  assert.deepEqual([answer.uid, answer.allowed, answer.patchType], ['u-1', true, 'JSONPatch'])
  assert.equal(patchOf(answer)[0]!.path, '/spec/initContainers')
})

test('the path for pods that ask by themselves injects those alone', { skip }, async () => {
  assert.equal((await reviewed('/inject/pod', SHAPES.deployment!.pod)).patch, undefined)
  assert.notEqual((await reviewed('/inject/pod', SHAPES['opted-in-by-itself']!.pod)).patch, undefined)
})

test('a pod that cannot be injected is admitted with a warning', { skip }, async () => {
  const { allowed, warnings, patch } = await reviewed('/inject/namespace', SHAPES['host-network']!.pod)
  assert.equal(allowed, true)
  assert.equal(patch, undefined)
  assert.match(warnings![0]!, /hostNetwork/)
})

test('what is no review is refused, by what is wrong with it', { skip }, async () => {
  const noPods = JSON.stringify(reviewOf({})).replace('"resource":"pods"', '"resource":"services"')
  const cases: [Promise<Got>, number][] = [
    [call('POST', '/inject/namespace', '{'), 400],
    [call('POST', '/inject/namespace', '{}'), 400],
    [call('POST', '/inject/namespace', 'null'), 400],
    [call('POST', '/inject/namespace', noPods), 400],
    [call('POST', '/inject/namespace', JSON.stringify(reviewOf({ spec: { containers: 'none' } }))), 400],
    [call('POST', '/inject/namespace', 'a=1', 'application/x-www-form-urlencoded'), 415],
    [call('GET', '/inject/namespace'), 405],
    [call('POST', '/inject'), 404],
    [call('POST', '/inject/namespace', JSON.stringify({ padding: 'x'.repeat(200_000) })), 413],
  ]
  for (const [got, status] of cases) assert.equal((await got).status, status, (await got).body)
})

test('TLS 1.2 is refused', { skip }, async () => {
  await assert.rejects(handshake('TLSv1.2'), /protocol|alert|version/i)
  const socket = await handshake('TLSv1.3')
  assert.equal(socket.getProtocol(), 'TLSv1.3')
  socket.destroy()
})

const commonName = async (): Promise<string> => {
  const socket = await handshake('TLSv1.3')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

test('a new certificate is used without a restart, and a broken one is not', { skip }, async () => {
  assert.equal(await commonName(), 'first')
  useCertificate('second')
  const until = Date.now() + 8000
  while ((await commonName()) !== 'second') {
    assert.ok(Date.now() < until, 'the new certificate was not taken')
    await pause(50)
  }
  copyFileSync(authority.cert, files.cert) // fits no key
  const failed = /certificate_loads_total\{result="failed"\} [1-9]/
  while (!failed.test(await metrics())) {
    assert.ok(Date.now() < until + 8000, 'the failure was not counted')
    await pause(50)
  }
  assert.equal(await commonName(), 'second')
})

async function metrics(): Promise<string> {
  return (await fetch(`http://${injector.addresses.metrics}/metrics`)).text()
}

test('what became of pods is counted, by reason', { skip }, async () => {
  await reviewed('/inject/namespace', SHAPES['uid-clash-of-a-container']!.pod)
  const text = await metrics()
  assert.match(text, /hopscope_injector_reviews_total\{result="injected",reason=""\} [1-9]/)
  assert.match(text, /hopscope_injector_reviews_total\{result="skipped",reason="uid-clash"\} 1/)
  assert.match(text, /hopscope_injector_refused_total\{status="413"\} 1/)
  assert.match(text, /hopscope_injector_certificate_expiry_timestamp_seconds [1-9]/)
})

test('it is alive and ready, and no longer ready once it drains', { skip }, async () => {
  assert.equal((await call('GET', '/live')).status, 200)
  assert.equal((await call('GET', '/ready')).status, 200)
  injector.webhook.startDraining()
  assert.equal((await call('GET', '/ready')).status, 503)
  // Reviews that still come are answered.
  assert.notEqual((await reviewed('/inject/namespace', SHAPES.deployment!.pod)).patch, undefined)
})
