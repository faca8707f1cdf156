import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { startInstance } from '../process/instance.ts'
import { Authority, noOpenssl } from '../support/certificates.ts'
import { SERVICE, startEcho } from './echo.ts'

const identity = (bytes: Buffer): Buffer => bytes

test('gRPC over terminated TLS, on HTTP/2 by ALPN, to a server in clear text', { skip: noOpenssl }, async (t) => {
  const authority = new Authority()
  const { cert, key } = authority.issue('localhost')
  const echo = await startEcho(t)
  const proxy = await startInstance(`http://127.0.0.1:${echo.port}`, ['--tls-cert', cert, '--tls-key', key])
  t.after(() => proxy.stop())
  const client = new grpc.Client(`localhost:${proxy.port}`, grpc.credentials.createSsl(readFileSync(authority.cert)))
  t.after(() => client.close())
  const message = Buffer.alloc(300_000, 'over tls ')
  const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
    client.makeUnaryRequest(`/${SERVICE}/Unary`, identity, identity, message, (error, got) =>
      error === null ? resolve(got) : reject(error),
    )
  })
  assert.ok(answer?.equals(message))
  const chat = client.makeBidiStreamRequest<Buffer, Buffer>(`/${SERVICE}/Chat`, identity, identity)
  const got: string[] = []
  chat.on('data', (part: Buffer) => {
    got.push(String(part))
    if (got.length === 3) chat.end()
    else chat.write(Buffer.from(`message ${got.length}`))
  })
  chat.write(Buffer.from('message 0'))
  await new Promise((resolve) => chat.on('end', resolve))
  assert.deepEqual(got, ['message 0', 'message 1', 'message 2'])
  const failed = await new Promise<number>((resolve) => {
    client.makeUnaryRequest(`/${SERVICE}/Fail`, identity, identity, Buffer.of(7), (error) => resolve(error?.code ?? 0))
  })
  assert.equal(failed, grpc.status.PERMISSION_DENIED)
})
