/** Whoever says nothing where it should is let go: by short timeouts here, which are long by default. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as h2 from '../../src/http/message/http2/frames.ts'
import { Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually, TestProxy } from '../support/proxy.ts'
import { frame } from './frame-log.ts'
import { each, type FrameScript, toHttp1, toHttp2 } from './frame-origin.ts'
import { data, type FramePeer, problemCode, windowUpdate } from './frame-peer.ts'

const SHORT = { 'timeouts.headMs': '300', 'timeouts.upstreamHeadMs': '300' }
const never: FrameScript = each(() => {})

/** Ended by GOAWAY with this code. */
async function calledOff(client: FramePeer, code: number): Promise<void> {
  assert.notEqual(await client.ended(), 'open')
  assert.equal(client.goaways.at(-1)?.code, code)
}

suite('silence', { concurrency: true }, () => {
  test('half a preface', async (t) => {
    const { proxy } = await toHttp2(t, never, { flags: SHORT })
    for (const part of ['PRI', 'PRI * HTTP/2.0\r\n\r\nSM']) {
      const peer = await Peer.connect(proxy.port)
      t.after(() => peer.socket.destroy())
      peer.send(part)
      assert.notEqual(await peer.ended(), 'open')
    }
  })

  test('settings that are not acknowledged', async (t) => {
    const { dial } = await toHttp2(t, never, { flags: SHORT })
    await calledOff(await dial({ acks: false }), h2.SETTINGS_TIMEOUT)
  })

  test('HEADERS without an end, even where CONTINUATIONs come', async (t) => {
    const { dial } = await toHttp2(t, never, { flags: SHORT })
    const client = await dial()
    await client.roundTrip()
    client.send(frame(h2.HEADERS, 0, 1, client.fields([[':method', 'GET']])))
    const drip = setInterval(() => client.send(frame(h2.CONTINUATION, 0, 1, client.fields([['x', 'y']]))), 100)
    t.after(() => clearInterval(drip))
    await calledOff(client, h2.ENHANCE_YOUR_CALM)
  })

  test('a frame that comes byte by byte', async (t) => {
    const { dial } = await toHttp2(t, never, { flags: SHORT })
    const client = await dial()
    await client.roundTrip()
    const bytes = client.get(1, `/${'a'.repeat(500)}`)
    let at = 0
    const drip = setInterval(() => client.send(bytes.subarray(at, ++at)), 50)
    t.after(() => clearInterval(drip))
    await calledOff(client, h2.ENHANCE_YOUR_CALM)
  })

  test('frames that are cut anywhere, but come, are no fault', async (t) => {
    const { dial } = await toHttp2(
      t,
      each((peer, { id }) => peer.respond(id, 200)),
      { flags: SHORT },
    )
    const client = await dial()
    await client.roundTrip()
    const since = performance.now()
    let rest = Buffer.alloc(0)
    // Each read ends within a frame, for longer than a frame may take.
    for (let id = 1; performance.now() - since < 1500; id += 2) {
      const bytes = Buffer.concat([rest, client.get(id)])
      client.send(bytes.subarray(0, bytes.length - 3))
      rest = bytes.subarray(bytes.length - 3)
      await sleep(20)
      assert.equal(client.ending, 'open')
    }
  })

  for (const upstream of ['HTTP/2', 'HTTP/1.1']) {
    test(`a body that is never sent, to ${upstream}: 408, and the upstream is told`, async (t) => {
      const flags = { 'timeouts.bodyIdleMs': '300' }
      const chain = upstream === 'HTTP/2' ? await toHttp2(t, never, { flags }) : await toHttp1(t, () => {}, { flags })
      const client = await chain.dial()
      client.send(client.post(1, '/', [['content-length', '10']]), client.post(3))
      for (const id of [1, 3]) assert.equal(problemCode(await client.whole(id), 408), 'body_timeout')
      await client.until('resets', () => client.stream(3).reset !== undefined)
      client.send(data(1, 'late'))
      await client.roundTrip()
      assert.equal(client.ending, 'open')
    })
  }

  for (const upstream of ['HTTP/1.1', 'HTTP/2'] as const) {
    test(`timeouts are not rounded up to a whole second, ${upstream} upstream`, async (t) => {
      const flags = { 'timeouts.exchangeMs': '300' }
      const chain = upstream === 'HTTP/2' ? await toHttp2(t, never, { flags }) : await toHttp1(t, () => {}, { flags })
      const client = await chain.dial()
      client.send(client.get(1))
      assert.equal(problemCode(await client.whole(1), 504), 'exchange_timeout')
      const { durationUs, error } = (await chain.proxy.finished(1))[0]!
      assert.ok(error!.connection!.bytesSent > 0 && error!.connection!.ageUs > 0)
      assert.ok(durationUs >= 290_000 && durationUs < 700_000, `${durationUs} us`)
    })
  }

  test('a client that waits for its 100 owes no body until it has that', async (t) => {
    const { dial, origin } = await toHttp2(t, never, { flags: { 'timeouts.bodyIdleMs': '200' } })
    const client = await dial()
    client.send(
      client.post(1, '/', [
        ['content-length', '4'],
        ['expect', '100-continue'],
      ]),
    )
    // Streams are looked at once a second.
    await sleep(1300)
    assert.equal(client.stream(1).over, false)
    const upstream = origin.connections[0]!
    upstream.send(upstream.block(1, [[':status', '100']]))
    assert.equal(problemCode(await client.whole(1), 408), 'body_timeout')
  })

  test('a conversation may be silent once it is answered, and a gRPC call before that too', async (t) => {
    const { dial, origin, proxy } = await toHttp2(
      t,
      each((peer, stream) => {
        if (stream.header('content-type') === undefined) peer.send(peer.block(stream.id, [[':status', '200']]))
      }),
      { flags: { 'timeouts.bodyIdleMs': '700' } },
    )
    const client = await dial()
    const call: [string, string] = ['content-type', 'application/grpc']
    client.send(client.post(1), client.post(3, '/a.B/C', [call]), client.post(5, '/', [['content-length', '5']]))
    // The sweeps that would have ended them were made when this one is over.
    await client.until('end of the upload', () => client.stream(5).over)
    assert.equal(client.stream(1).over, false)
    assert.equal(client.stream(3).over, false)
    client.send(data(1, 'more', true), data(3, 'more', true))
    const upstream = origin.connections[0]!
    await upstream.until('bodies', () => upstream.stream(1).ended && upstream.stream(3).ended)
    upstream.send(data(1, '', true))
    upstream.respond(3, 200, '', [['grpc-status', '0']])
    await client.whole(1)
    await client.whole(3)
    assert.equal((await proxy.finished(3)).filter(({ error }) => error === undefined).length, 2)
  })

  test('a window that is never opened ends its stream, whatever goes on beside it', async (t) => {
    const { dial } = await toHttp2(
      t,
      each((peer, { id }) => peer.respond(id, 200, 'x'.repeat(100))),
      { flags: { 'timeouts.slowReaderMs': '500' } },
    )
    const client = await dial({ settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 0]] })
    client.send(client.get(1))
    await client.head(1)
    const begun = performance.now()
    for (let id = 3; !client.stream(1).over; id += 2) {
      client.send(client.get(id), windowUpdate(id, 1000))
      assert.equal((await client.whole(id)).bytes, 100)
      await sleep(20)
      assert.ok(performance.now() - begun < 5000)
    }
    assert.equal(client.stream(1).bytes, 0)
    assert.equal(client.stream(1).reset, h2.INTERNAL_ERROR)
  })

  test('a client that reads nothing at all is cut off', async (t) => {
    const origin = await Origin.answering(() => ok('x'.repeat(1_000_000)))
    const { dial, proxy } = await toHttp1(t, origin, { flags: { 'timeouts.slowReaderMs': '500' } })
    const client = await dial({ settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, h2.MAX_31]], credits: false })
    await client.roundTrip()
    client.socket.pause()
    client.send(windowUpdate(0, 0x7f000000))
    for (let i = 0; i < 60; i++) client.send(client.get(1 + 2 * i))
    await eventually('the end', () => proxy.plane.connections === 0)
    const failed = proxy.exchanges.filter(({ error }) => error !== undefined)
    assert.ok(failed.length > 0)
    for (const { error } of failed) assert.match(error!.code, /^client_(too_slow|closed)$/)
  })

  test('an idle connection ends', async (t) => {
    const { dial } = await toHttp2(t, never, { flags: { 'http2.idleMs': '300' } })
    await calledOff(await dial(), h2.NO_ERROR)
  })

  test('a client that is gone without a word is found out by a ping', async (t) => {
    const { dial, origin } = await toHttp2(t, never, {
      // Both peers are in this process: a busy machine must not make them late.
      flags: { 'timeouts.headMs': '1000', 'timeouts.upstreamHeadMs': '1000', 'http2.pingMs': '300' },
    })
    const client = await dial()
    client.send(client.get(1))
    await client.until('a ping that is answered', () => client.pings >= 1)
    const deaf = await dial()
    deaf.send(deaf.get(1))
    await deaf.roundTrip()
    deaf.onPing = () => 0
    assert.notEqual(await deaf.ended(), 'open')
    assert.equal(client.ending, 'open')
    const upstream = origin.connections[0]!
    await upstream.until('a reset', () => [...upstream.streams.values()].some(({ reset }) => reset !== undefined))
  })

  test('an upstream that says nothing: no settings, no answer to a ping, no window', async (t) => {
    const { dial, origin, proxy } = await toHttp2(t, never, {
      flags: { ...SHORT, 'http2.pingMs': '300' },
      peer: { acks: false },
    })
    const client = await dial()
    client.send(client.get(1))
    assert.equal(problemCode(await client.whole(1), 502), 'upstream_reset')
    assert.notEqual(await origin.connections[0]!.ended(), 'open')
    assert.equal((await proxy.finished(1))[0]?.error?.code, 'upstream_reset')
  })

  test('an upstream that never sends settings', async (t) => {
    const origin = await Origin.start(() => {})
    const proxy = await TestProxy.start(`http://127.0.0.1:${origin.port}`, {
      flags: { ...SHORT, 'upstream.protocol': 'h2' },
    })
    const peer = await Peer.connect(proxy.port)
    t.after(async () => {
      peer.socket.destroy()
      await proxy.close()
      await origin.close()
    })
    peer.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    const answer = await peer.message()
    assert.equal(answer.status, 502)
    assert.match(answer.body, /SETTINGS_TIMEOUT/)
  })

  test('an upstream that stops within a frame', async (t) => {
    const { dial } = await toHttp2(
      t,
      each((peer, { id }) => peer.send(frame(h2.HEADERS, h2.END_HEADERS, id, Buffer.of(0x88)).subarray(0, 8))),
      { flags: SHORT },
    )
    const client = await dial()
    client.send(client.get(1))
    assert.equal(problemCode(await client.whole(1), 502), 'bad_response')
  })

  test('an upstream that takes no body, and one that stops in its answer', async (t) => {
    const { dial } = await toHttp2(
      t,
      each((peer, stream) => {
        const path = stream.header(':path')
        if (path === '/whole') peer.respond(stream.id, 200)
        if (path === '/part') peer.send(peer.block(stream.id, [[':status', '200']]), data(stream.id, 'x'))
      }),
      {
        flags: { 'timeouts.responseIdleMs': '300' },
        peer: { credits: false, settings: [[h2.SETTINGS_INITIAL_WINDOW_SIZE, 10]] },
      },
    )
    const client = await dial()
    client.send(client.get(1, '/whole'))
    await client.whole(1)
    client.send(client.post(3), data(3, 'x'.repeat(100)), client.get(5, '/part'))
    assert.equal(problemCode(await client.whole(3), 504), 'send_timeout')
    assert.equal((await client.whole(5)).reset, h2.INTERNAL_ERROR)
  })
})
