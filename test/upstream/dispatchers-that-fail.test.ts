/** Errors of an undici dispatcher have our codes, with phase and blame. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { Agent } from 'undici'
import { dispatcherRoute } from '../../src/upstream/dispatch-route.ts'
import { Peer } from '../support/client.ts'
import { ok, type Script } from '../support/origin.ts'
import { problem, TestProxy } from '../support/proxy.ts'
import { dispatched } from './dispatched.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'

const FAILURES: readonly {
  readonly what: string
  readonly script: Script
  readonly flags?: Record<string, string>
  readonly is: readonly [status: number, code: string, phase: string]
}[] = [
  {
    what: 'a reset before the answer',
    script: async (peer) => {
      await peer.message()
      peer.reset()
    },
    is: [502, 'upstream_reset', 'wait'],
  },
  {
    what: 'a FIN before the answer',
    script: async (peer) => {
      await peer.message()
      peer.finish()
    },
    is: [502, 'upstream_reset', 'wait'],
  },
  {
    what: 'no answer in time',
    script: async (peer) => {
      await peer.message()
    },
    flags: { 'timeouts.firstByteMs': '300' },
    is: [504, 'first_byte_timeout', 'wait'],
  },
  {
    what: 'nonsense',
    script: async (peer) => {
      await peer.message()
      peer.send('nonsense\r\n\r\n')
    },
    is: [502, 'bad_response', 'wait'],
  },
  {
    what: 'two lengths',
    script: async (peer) => {
      await peer.message()
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n')
    },
    is: [502, 'bad_response', 'wait'],
  },
]

for (const { what, script, flags, is } of FAILURES) {
  test(`${what}: ${is[1]}`, async (t) => {
    const { proxy, dial } = await dispatched(t, script, flags)
    const client = await dial()
    client.send(GET)
    const response = await client.message()
    const { code, phase, connection } = problem(response.body)
    assert.deepEqual([response.status, code, phase], is)
    assert.ok(connection !== undefined && !connection.reused && connection.bytes_sent > GET.length)
    assert.equal((await proxy.finished(1))[0]?.error?.code, code)
  })
}

test('a response that breaks off cannot be taken for a whole one', async (t) => {
  const { proxy, dial } = await dispatched(t, async (peer) => {
    await peer.message()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    peer.finish()
  })
  const client = await dial()
  client.send(GET)
  assert.equal(await client.ended(), 'reset')
  assert.equal((await proxy.finished(1))[0]?.error?.code, 'upstream_aborted')
})

/** A proxy before `url` with an agent of its own. */
async function before(
  url: string,
): Promise<{ proxy: TestProxy; agent: Agent; client: Peer; end: () => Promise<void> }> {
  const agent = new Agent({ connect: { timeout: 1000 } })
  const proxy = await TestProxy.start(url, { route: dispatcherRoute(agent, url) })
  const client = await Peer.connect(proxy.port)
  const end = async (): Promise<void> => {
    client.socket.destroy()
    await proxy.close()
    if (!agent.destroyed) await agent.destroy()
  }
  return { proxy, agent, client, end }
}

test('nobody listens: connection_refused', async (t) => {
  const free = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => free.once('listening', resolve))
  const { port } = free.address() as { port: number }
  await new Promise((resolve) => free.close(resolve))
  const { proxy, client, end } = await before(`http://127.0.0.1:${port}`)
  t.after(end)
  client.send(GET)
  const { code, phase, errno } = problem((await client.message()).body)
  assert.deepEqual([code, phase, errno], ['connection_refused', 'connect', 'ECONNREFUSED'])
  assert.ok((await proxy.finished(1))[0]!.phases.connect! >= 0)
})

test('a name that does not exist: dns_failed', async (t) => {
  const { client, end } = await before('http://no-such-host.invalid')
  t.after(end)
  client.send(GET)
  const { code, phase } = problem((await client.message()).body)
  assert.deepEqual([code, phase], ['dns_failed', 'dns'])
})

test('a dispatcher that its owner closed: 503', async (t) => {
  const { agent, client, end } = await before('http://127.0.0.1:9')
  t.after(end)
  await agent.destroy()
  client.send(GET)
  const response = await client.message()
  assert.deepEqual([response.status, problem(response.body).code], [503, 'dispatcher_closed'])
})

test('what has no path: 501', async (t) => {
  const { client, end } = await before('http://127.0.0.1:9')
  t.after(end)
  client.send('OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n')
  const response = await client.message()
  assert.deepEqual([response.status, problem(response.body).code], [501, 'dispatch_unsupported'])
})

test('a client that leaves ends its request at the upstream', async (t) => {
  const { origin, proxy, dial } = await dispatched(t, async (peer) => {
    await peer.message()
  })
  const client = await dial()
  client.send(GET)
  await origin.until('the request', () => origin.connections.length === 1)
  await origin.connections[0]!.until('its bytes', () => origin.connections[0]!.unread === '')
  client.reset()
  await origin.connections[0]!.ended()
  assert.equal((await proxy.finished(1))[0]?.error?.code, 'client_closed')
})

test('GET on a connection that died idle is sent again; a second death is an answer', async (t) => {
  const { proxy, dial } = await dispatched(t, async (peer, index) => {
    for (let i = 0; ; i++) {
      await peer.message()
      if (index === 0 && i === 1) {
        peer.reset()
        return
      }
      peer.send(ok(String(index)))
    }
  })
  const client = await dial()
  for (const wanted of ['0', '1']) {
    client.send(GET)
    assert.equal((await client.message()).body, wanted)
  }
  const [, again] = await proxy.finished(2)
  assert.deepEqual([again?.attempts, again?.reused], [2, false])
})

test('more than maxPending waiting: 503 at once', async (t) => {
  const { dial } = await dispatched(
    t,
    async (peer) => {
      await peer.message()
    },
    { 'upstream.maxPending': '0' },
  )
  const client = await dial()
  client.send(GET)
  const response = await client.message()
  assert.deepEqual([response.status, problem(response.body).code], [503, 'overloaded'])
})
