/**
 * RFC 9113 §8.1.1: a malformed request is answered, so that somebody can see why, and its stream is reset. Nothing of it
 * is forwarded, and other streams of the connection go on.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { Origin, ok } from '../support/origin.ts'
import { toHttp1 } from './frame-origin.ts'
import { data, type FramePeer, type Pair, problemCode, request } from './frame-peer.ts'

const M: Pair = [':method', 'GET']
const S: Pair = [':scheme', 'http']
const A: Pair = [':authority', 'here']
const P: Pair = [':path', '/']

const withField = (name: string, value = 'x'): Pair[] => [M, S, A, P, [name, value]]
const withPath = (path: string): Pair[] => [M, S, A, [':path', path]]
const withMethod = (method: string): Pair[] => [[':method', method], S, A, P]
const withAuthority = (authority: string): Pair[] => [M, S, [':authority', authority], P]

/** What is wrong, the fields, and the code of the problem. */
const HEADS: readonly (readonly [string, readonly Pair[], string])[] = [
  ['a name in upper case', withField('X-Upper'), 'bad_header'],
  ['an empty name', withField(''), 'bad_header'],
  ['a space in a name', withField('x y'), 'bad_header'],
  ['a colon in a name', withField('x:y'), 'bad_header'],
  ['CR LF in a name', withField('x\r\ny'), 'bad_header'],
  ['NUL in a name', withField('x\0'), 'bad_header'],
  ['a byte over 127 in a name', withField('x\xff'), 'bad_header'],
  ['DEL in a name', withField('x\x7f'), 'bad_header'],
  ['CR in a value', withField('x', 'a\rb'), 'bad_header'],
  ['LF in a value', withField('x', 'a\nb'), 'bad_header'],
  ['CR LF and a field in a value', withField('x', 'a\r\nEvil: 1'), 'bad_header'],
  ['NUL in a value', withField('x', 'a\0b'), 'bad_header'],
  ['a control character in a value', withField('x', 'a\x01b'), 'bad_header'],
  ['DEL in a value', withField('x', 'a\x7fb'), 'bad_header'],
  ['a space before a value', withField('x', ' a'), 'bad_header'],
  ['a tab behind a value', withField('x', 'a\t'), 'bad_header'],
  ['CR in a cookie', withField('cookie', 'a=\r1'), 'bad_header'],
  ['connection', withField('connection', 'close'), 'bad_header'],
  ['proxy-connection', withField('proxy-connection', 'keep-alive'), 'bad_header'],
  ['keep-alive', withField('keep-alive', 'timeout=5'), 'bad_header'],
  ['transfer-encoding', withField('transfer-encoding', 'chunked'), 'bad_header'],
  ['upgrade', withField('upgrade', 'websocket'), 'bad_header'],
  ['te with gzip', withField('te', 'trailers, gzip'), 'bad_header'],
  ['an empty path', withPath(''), 'bad_header'],
  ['no path', [M, S, A], 'bad_target'],
  ['a path without a slash', withPath('a'), 'bad_target'],
  ['an absolute path', withPath('http://other/'), 'bad_target'],
  ['a path that begins with @', withPath('@other/'), 'bad_target'],
  ['a space in the path', withPath('/a b'), 'bad_target'],
  ['CR LF in the path', withPath('/ HTTP/1.1\r\nEvil: 1'), 'bad_target'],
  ['a tab in the path', withPath('/\t'), 'bad_target'],
  ['a fragment', withPath('/a#b'), 'bad_target'],
  ['UTF-8 in the path', withPath('/\xc3\xa9'), 'bad_target'],
  ['NUL in the path', withPath('/\0'), 'bad_target'],
  ['an asterisk without OPTIONS', withPath('*'), 'bad_target'],
  ['no method', [S, A, P], 'bad_method'],
  ['an empty method', withMethod(''), 'bad_header'],
  ['a space in the method', withMethod('GET /'), 'bad_method'],
  ['CR LF in the method', withMethod('GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET'), 'bad_method'],
  ['no scheme', [M, A, P], 'bad_target'],
  ['a scheme of another kind', [M, [':scheme', 'ftp'], A, P], 'bad_target'],
  ['a scheme with CR LF', [M, [':scheme', 'http\r\n'], A, P], 'bad_target'],
  ['an empty scheme', [M, [':scheme', ''], A, P], 'bad_header'],
  ['neither :authority nor Host', [M, S, P], 'bad_host'],
  ['an empty :authority', withAuthority(''), 'bad_host'],
  ['a slash in :authority', withAuthority('a/b'), 'bad_host'],
  ['a space in :authority', withAuthority('a b'), 'bad_host'],
  ['CR LF in :authority', withAuthority('a\r\nEvil: 1'), 'bad_host'],
  ['user information in :authority', withAuthority('user@here'), 'bad_host'],
  [':authority and Host that differ', withField('host', 'other'), 'bad_host'],
  ['two Hosts', [...withField('host', 'here'), ['host', 'here']], 'bad_host'],
  ['two Hosts without :authority', [M, S, P, ['host', 'a'], ['host', 'a']], 'bad_host'],
  ['an empty Host', [M, S, P, ['host', '']], 'bad_host'],
  [':method twice', [M, M, S, A, P], 'bad_header'],
  [':path twice', [M, S, A, P, P], 'bad_header'],
  [':scheme twice', [M, S, S, A, P], 'bad_header'],
  [':authority twice', [M, S, A, A, P], 'bad_header'],
  ['a pseudo-header field behind a regular one', [M, S, ['x', '1'], A, P], 'bad_header'],
  ['an unknown pseudo-header field', [M, S, A, P, [':foo', '1']], 'bad_header'],
  [':status in a request', [M, S, A, P, [':status', '200']], 'bad_header'],
  [':protocol without CONNECT', [M, S, A, P, [':protocol', 'websocket']], 'bad_header'],
  ['content-length with a sign', withField('content-length', '+0'), 'bad_framing'],
  ['content-length as a list', withField('content-length', '0, 0'), 'bad_framing'],
  ['content-length twice', [...withField('content-length', '0'), ['content-length', '0']], 'bad_framing'],
  ['content-length that is no number', withField('content-length', 'a'), 'bad_framing'],
  ['an empty content-length', withField('content-length', ''), 'bad_framing'],
  ['content-length beyond all numbers', withField('content-length', '99999999999999999999'), 'bad_framing'],
  ['CONNECT with a path', [[':method', 'CONNECT'], A, P], 'bad_target'],
]

async function proxy(t: TestContext): Promise<{ client: FramePeer; origin: Origin }> {
  const origin = await Origin.answering(() => ok('fine'))
  const { dial } = await toHttp1(t, origin)
  return { client: await dial(), origin }
}

/** Answered with 400 and reset; then another stream is served. */
async function refused(client: FramePeer, origin: Origin, id: number, code: string): Promise<void> {
  const stream = await client.whole(id)
  assert.equal(problemCode(stream, 400), code)
  await client.until('reset', () => stream.reset !== undefined)
  assert.equal(stream.reset, h2.PROTOCOL_ERROR)
  assert.equal(origin.requests.length, 0)
}

for (const ended of [true, false]) {
  test(`heads, ${ended ? 'without' : 'with'} a body to follow`, async (t) => {
    const { client, origin } = await proxy(t)
    let id = 1
    for (const [what, pairs, code] of HEADS) {
      await t.test(what, async () => {
        client.send(client.block(id, pairs, ended))
        await refused(client, origin, id, code)
      })
      id += 2
    }
    client.send(client.get(id))
    assert.equal((await client.whole(id)).body, 'fine')
    for (const stream of client.streams.values()) assert.ok(stream.resets <= 1, `${stream.id} was reset twice`)
  })
}

test('trailers that do not end the stream, in one batch with their head and in one of their own', async (t) => {
  const { client, origin } = await proxy(t)
  client.send(client.post(1), data(1, 'x'), client.block(1, [['x-sum', '1']]))
  await refused(client, origin, 1, 'bad_trailer')
  client.send(client.post(3))
  await client.roundTrip()
  client.send(client.block(3, [['x-sum', '1']]))
  await refused(client, origin, 3, 'bad_trailer')
})

for (const [what, pairs] of [
  ['a pseudo-header field', [[':path', '/']]],
  ['upper case', [['X-Sum', '1']]],
  ['CR LF', [['x-sum', '1\r\nEvil: 1']]],
  ['content-length', [['content-length', '1']]],
  ['transfer-encoding', [['transfer-encoding', 'chunked']]],
] as const) {
  test(`trailers with ${what}`, async (t) => {
    const { client, origin } = await proxy(t)
    client.send(client.post(1), data(1, 'x'), client.block(1, pairs as readonly Pair[], true))
    await refused(client, origin, 1, 'bad_trailer')
  })
}

test('CONNECT is answered 405, Expect of another kind 417, and neither is malformed', async (t) => {
  const { client, origin } = await proxy(t)
  client.send(
    client.block(1, [
      [':method', 'CONNECT'],
      [':authority', 'here:22'],
    ]),
  )
  assert.equal(problemCode(await client.whole(1), 405), 'connect_refused')
  client.send(client.block(3, [...request('GET'), ['expect', 'wonders']], true))
  assert.equal(problemCode(await client.whole(3), 417), 'bad_expect')
  await client.roundTrip()
  assert.equal(client.stream(1).reset, h2.NO_ERROR)
  assert.equal(client.stream(3).reset, undefined)
  assert.equal(origin.requests.length, 0)
})
