/**
 * A response that is here as a whole, while its client still takes it, is delivered to its last octet: whether the stream
 * was ended, reset without an error (RFC 9113 §8.1), or lost with its connection.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Stream, connect, type ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { startRawServer } from '../grpc/raw-server.ts'
import { eventually, TestProxy } from '../support/proxy.ts'

const BODY = Buffer.alloc(150_000, 'hopscope ')

/** A client with a small window, which reads only once `ready` holds. */
async function slowly(
  t: TestContext,
  answer: (stream: ServerHttp2Stream) => void,
  endRequest: boolean,
): Promise<Buffer> {
  let answered = false
  const upstream = await startRawServer(t, (stream) => {
    answer(stream)
    stream.on('close', () => {
      answered = true
    })
  })
  const proxy = await TestProxy.start(`http://127.0.0.1:${upstream.port}`, { flags: { 'upstream.protocol': 'h2' } })
  const session = connect(`http://127.0.0.1:${proxy.port}`, { settings: { initialWindowSize: 65_535 } })
  t.after(async () => {
    session.destroy()
    await proxy.close()
  })
  const stream: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: endRequest })
  await once(stream, 'response')
  await eventually('the upstream is done', () => answered)
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

const respond = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200 })
  stream.end(BODY)
}

test('the stream ends on both sides', async (t) => {
  assert.ok((await slowly(t, respond, true)).equals(BODY))
})

test('the connection ends with it', async (t) => {
  const body = await slowly(
    t,
    (stream) => {
      respond(stream)
      stream.on('finish', () => stream.session?.close())
    },
    true,
  )
  assert.ok(body.equals(BODY))
})

test('the request goes on, and the upstream wants no more of it', async (t) => {
  const body = await slowly(
    t,
    (stream) => {
      respond(stream)
      stream.on('finish', () => stream.close(0))
    },
    false,
  )
  assert.ok(body.equals(BODY))
})
