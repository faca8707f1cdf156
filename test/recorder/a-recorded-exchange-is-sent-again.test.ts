/** What a proxy recorded is read after its end, and sent again to another server, marked, without its secrets. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { recordingText } from '../../src/app/recording.ts'
import { recordedIn } from '../../src/app/recording-source.ts'
import { type ReplayOptions, replay } from '../../src/app/replay.ts'
import { until } from '../aggregator/running.ts'
import { hopscope } from '../cli/support.ts'
import { startInstance } from '../process/instance.ts'
import { call } from './two-hops.ts'

interface Got {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

test('a killed proxy leaves its last exchanges, and they can be sent again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-replay-'))
  const got: Got[] = []
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('latin1').on('data', (piece: string) => {
      body += piece
    })
    req.on('end', () => {
      got.push({ method: req.method!, url: req.url!, headers: req.headers, body })
      res.statusCode = req.url!.includes('fail') ? 503 : 200
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ calls: got.length, length: body.length }))
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const [file, dumps] = [join(folder, 'ring'), join(folder, 'dumps')]
  const proxy = await startInstance(origin, [
    ...['--recorder-file', file, '--recorder-dump-dir', dumps, '--recorder-body-bytes', '256', '--access-log', 'off'],
  ])
  t.after(async () => {
    await proxy.stop('SIGKILL')
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const named = (id: string, more: Record<string, string> = {}): Record<string, string> => ({
    ...{
      'x-request-id': id,
      authorization: 'Bearer secret',
      'idempotency-key': 'secret-key',
      accept: 'a/b',
      'x-own': 'secret',
    },
    ...more,
  })
  const json = { 'content-type': 'application/json' }
  await call(proxy.port, '/fail?page=2', named('read-failed', { connection: 'close, x-hop', 'x-hop': '1' }))
  await call(proxy.port, '/orders', named('written', json), '{"amount":7,"name":"Zoë"}')
  await call(proxy.port, '/orders', named('too-long', json), `{"text":"${'x'.repeat(400)}"}`)
  await call(proxy.port, '/login', named('with-secret', json), '{"user":"ann","password":"hunter2"}')
  await call(proxy.port, '/orders?token=abc', named('secret-query'))
  await call(proxy.port, '/upload', named('plain', { 'content-type': 'text/plain' }), 'hello')

  const rules = { target: new URL(`${origin}/copy`), allowUnsafe: false, allowRedacted: false, headers: [] }
  const common = { ...rules, timeoutMs: 5000 }
  const again = (id: string, more: Partial<ReplayOptions> = {}): Promise<string> =>
    replay({ ...common, source: { file }, id, ...more })

  // Of the running proxy.
  const admin = { host: '127.0.0.1', port: proxy.adminPort }
  assert.match(
    await again('read-failed', { source: { admin } }),
    /recorded {2}503[\s\S]*replayed {2}503[\s\S]*trace {5}[0-9a-f]{32}/,
  )
  // Of its dump.
  let dump = ''
  await until('the dump is there', () => {
    dump = existsSync(dumps) ? join(dumps, readdirSync(dumps)[0] ?? '') : ''
    return dump.endsWith('.jsonl') && readFileSync(dump, 'utf8').split('\n').length === 3
  })
  assert.match(readFileSync(dump, 'utf8').split('\n')[0]!, /"hopscope":"recording"/)
  assert.match(await again('read-failed', { source: { file: dump } }), /left out {2}authorization: not recorded/)

  // Of its file, killed.
  await until('all of it is in the file', () => recordedIn(file).length === 6)
  await proxy.stop('SIGKILL')
  got.length = 0
  const options = { id: undefined, failed: true, json: false, limit: 10 }
  assert.match(
    recordingText(file, options),
    /^\S+ {2}[0-9a-f]{16} {2}edge {6}503 {2}\S+ ms {2}GET \S+\/fail\?page=2 {2}read-failed$/,
  )
  await again('read-failed', { headers: [['X-Own', 'mine']] })
  const [sent] = got
  assert.equal(`${sent!.method} ${sent!.url}`, 'GET /copy/fail?page=2')
  const { accept, 'hopscope-replay': mark, 'x-own': own, 'x-hop': hop, traceparent } = sent!.headers
  assert.deepEqual({ accept, mark, own, hop }, { accept: 'a/b', mark: 'read-failed', own: 'mine', hop: undefined })
  assert.match(String(traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  assert.equal(
    recordedIn(file).some((one) => String(traceparent).includes(one.traceId)),
    false,
    'a trace of its own',
  )
  assert.doesNotMatch(JSON.stringify(sent), /secret|REDACTED|"x-request-id"/)

  await assert.rejects(again('written'), /POST may change something at the target: --allow-unsafe/)
  const flags = ['--exchange', 'written', '--target', origin, '--allow-unsafe']
  const { code, stdout, stderr } = await hopscope(['replay', file, ...flags])
  assert.match(stdout, /replayed {2}200 in/, stderr)
  assert.equal(code, 0)
  assert.equal(Buffer.from(got[1]!.body, 'latin1').toString(), '{"amount":7,"name":"Zoë"}')
  const unsafe = { allowUnsafe: true }
  await assert.rejects(again('too-long', unsafe), /only 256 of 411 bytes of its body were recorded/)
  await assert.rejects(again('with-secret', unsafe), /its body had secrets that are not recorded/)
  await assert.rejects(again('plain', unsafe), /its body was not recorded: it is text\/plain/)
  await assert.rejects(again('secret-query'), /the query had secrets that are not recorded/)
  await assert.rejects(again('nobody'), /nobody is not recorded there/)
  await assert.rejects(replay({ ...common, source: { file }, id: undefined }), /which one\?[\s\S]*read-failed/)
  assert.equal(got.length, 2, 'nothing of what was refused was sent')
})
