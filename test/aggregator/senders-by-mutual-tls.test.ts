import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, constants } from 'node:http2'
import { request } from 'node:https'
import { after, before, test } from 'node:test'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { requestOf } from './otlp-messages.ts'
import { rawSpan } from './raw-spans.ts'
import { type RunningAggregator, running } from './running.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const spans = requestOf([rawSpan({ trace: 'a1', span: '1' })])

test('mTLS: a sender with a certificate of the authority is heard, one without is not', {
  skip: noOpenssl,
}, async (t) => {
  const authority = new Authority()
  const pem = (file: string): Buffer => readFileSync(file)
  const [server, client] = [authority.issue('server'), authority.issue('client')]
  const ca = pem(authority.cert)
  const tls = { cert: String(pem(server.cert)), key: String(pem(server.key)), clientCa: String(ca) }
  const it = await running({ tls })
  t.after(() => it.end())
  const call = (own: readonly [Buffer, Buffer] | []): Promise<ServiceError | null> =>
    new Promise((resolve) => {
      const grpc = new Client(`localhost:${it.grpcPort}`, credentials.createSsl(ca, own[0] ?? null, own[1] ?? null))
      const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
      grpc.makeUnaryRequest(
        path,
        asIs,
        asIs,
        spans,
        new Metadata(),
        { deadline: new Date(Date.now() + 5000) },
        (error) => {
          grpc.close()
          resolve(error)
        },
      )
    })
  assert.equal(await call([pem(client.key), pem(client.cert)]), null)
  assert.equal((await call([]))?.code, 14)
  const post = (own: object): Promise<number | string> =>
    new Promise((resolve) => {
      const headers = { 'content-type': 'application/x-protobuf' }
      const req = request(
        {
          host: '127.0.0.1',
          servername: 'localhost',
          port: it.httpPort,
          path: '/v1/traces',
          method: 'POST',
          ca,
          headers,
          ...own,
        },
        (res) => {
          res.resume()
          resolve(res.statusCode!)
        },
      )
      req.on('error', ({ message }) => resolve(message))
      req.end(spans)
    })
  assert.equal(await post({ key: pem(client.key), cert: pem(client.cert) }), 200)
  assert.match(String(await post({})), /certificate|ECONNRESET|socket hang up/)
})

let it: RunningAggregator
before(async () => {
  it = await running({ maxConnectionAgeMs: 200 })
})
after(() => it.end())

test('an old connection is told to go, and what it has under way is answered', async () => {
  const session = connect(`http://127.0.0.1:${it.grpcPort}`)
  const goaway = new Promise<number>((resolve) => session.once('goaway', resolve))
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(spans.length, 1)
  stream.write(prefix)
  assert.equal(await goaway, constants.NGHTTP2_NO_ERROR)
  const status = new Promise((resolve) => stream.once('trailers', (trailers) => resolve(trailers['grpc-status'])))
  stream.resume()
  stream.end(spans)
  assert.equal(await status, '0')
  await new Promise((resolve) => session.once('close', resolve))
})
