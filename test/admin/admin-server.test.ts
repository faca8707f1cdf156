import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { type AdminOptions, startAdmin } from '../../src/admin/admin-server.ts'
import { startMetricsServer } from '../../src/admin/metrics-server.ts'
import type { LogLevel } from '../../src/core/log.ts'

interface Got {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
}

function call(
  port: number,
  method: string,
  path: string,
  more: { host?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers = { host: more.host ?? `localhost:${port}`, ...more.headers }
    const req = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      let body = ''
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => {
        body += chunk
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body, headers: res.headers }))
    })
    req.on('error', reject)
    req.end(more.body)
  })
}

async function withAdmin(run: (port: number, state: State) => Promise<void>): Promise<void> {
  const state: State = { ready: true, drained: 0, quit: 0, level: 'info', queries: [] }
  const options: AdminOptions = {
    host: '127.0.0.1',
    port: 0,
    readiness: () => (state.ready ? { ready: true } : { ready: false, reason: 'draining' }),
    config: () => ({ otlp: { headers: '***' } }),
    exchanges: (query) => {
      state.queries.push(query)
      return [{ path: '/x' }]
    },
    idempotency: () => Promise.resolve({ store: 'memory', waiting: 1 }),
    drain: () => {
      state.drained++
    },
    quit: () => {
      state.quit++
    },
    logLevel: () => state.level,
    setLogLevel: (level) => {
      state.level = level
    },
  }
  const server = await startAdmin(options)
  try {
    await run(server.port, state)
  } finally {
    await server.close()
  }
}

interface State {
  ready: boolean
  drained: number
  quit: number
  level: LogLevel
  queries: unknown[]
}

test('health: alive always, ready while it is', async () => {
  await withAdmin(async (port, state) => {
    assert.equal((await call(port, 'GET', '/live')).status, 200)
    assert.equal((await call(port, 'GET', '/ready')).status, 200)
    state.ready = false
    const notReady = await call(port, 'GET', '/ready')
    assert.equal(notReady.status, 503)
    assert.deepEqual(JSON.parse(notReady.body), { ready: false, reason: 'draining' })
    assert.equal((await call(port, 'GET', '/live')).status, 200)
  })
})

test('config and exchanges are read as JSON, with limit, failed and id', async () => {
  await withAdmin(async (port, state) => {
    assert.deepEqual(JSON.parse((await call(port, 'GET', '/config')).body), { otlp: { headers: '***' } })
    const got = await call(port, 'GET', '/exchanges?limit=7&failed&id=abc')
    assert.deepEqual(JSON.parse(got.body), [{ path: '/x' }])
    assert.equal(got.headers['cache-control'], 'no-store')
    assert.deepEqual(state.queries, [{ limit: 7, failed: true, id: 'abc' }])
    assert.equal((await call(port, 'GET', '/exchanges?limit=-1')).status, 400)
    assert.deepEqual(JSON.parse((await call(port, 'GET', '/idempotency')).body), { store: 'memory', waiting: 1 })
    assert.equal((await call(port, 'POST', '/idempotency')).status, 405)
  })
})

test('what changes something is POST only', async () => {
  await withAdmin(async (port, state) => {
    for (const path of ['/drain', '/quit']) assert.equal((await call(port, 'GET', path)).status, 405)
    assert.deepEqual([state.drained, state.quit], [0, 0])
    assert.equal((await call(port, 'POST', '/drain')).status, 202)
    assert.equal((await call(port, 'POST', '/quit')).status, 202)
    assert.deepEqual([state.drained, state.quit], [1, 1])
    assert.equal((await call(port, 'GET', '/log-level?level=debug')).status, 200)
    assert.equal(state.level, 'info')
    assert.equal((await call(port, 'POST', '/log-level?level=debug')).status, 200)
    assert.equal(state.level, 'debug')
    assert.equal((await call(port, 'POST', '/log-level', { body: 'warn\n' })).status, 200)
    assert.equal(state.level, 'warn')
    assert.equal((await call(port, 'POST', '/log-level', { body: 'loud' })).status, 400)
    assert.equal((await call(port, 'POST', '/log-level', { body: 'x'.repeat(10_000) })).status, 413)
    assert.equal((await call(port, 'GET', '/constructor')).status, 404)
  })
})

test('a request whose Host is not a name of this machine is refused: a rebound DNS name must not get in', async () => {
  await withAdmin(async (port, state) => {
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example']) {
      assert.equal((await call(port, 'POST', '/drain', { host })).status >= 400, true, host)
    }
    assert.equal(state.drained, 0)
    for (const host of ['127.0.0.1', 'LOCALHOST:1', '[::1]:15000']) {
      assert.equal((await call(port, 'GET', '/live', { host })).status, 200, host)
    }
  })
})

test('a page of another site changes nothing: browsers say where a request comes from', async () => {
  await withAdmin(async (port, state) => {
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://localhost:${port + 1}` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: `http://localhost:${port}` },
    ]
    for (const headers of foreign) {
      for (const path of ['/drain', '/quit', '/log-level?level=silent']) {
        assert.equal((await call(port, 'POST', path, { headers })).status, 403, `${path} ${JSON.stringify(headers)}`)
      }
      assert.equal((await call(port, 'GET', '/live', { headers })).status, 200, 'a link may lead here')
    }
    assert.deepEqual([state.drained, state.quit, state.level], [0, 0, 'info'])
    for (const headers of [{ origin: `http://localhost:${port}` }, { 'sec-fetch-site': 'none' }]) {
      assert.equal((await call(port, 'POST', '/drain', { headers })).status, 202)
    }
  })
})

test('an address in use is an error at the start', async () => {
  await withAdmin(async (port) => {
    const scrape = async () => ({ contentType: 'text/plain', text: 'a 1\n' })
    await assert.rejects(startMetricsServer({ host: '127.0.0.1', port, scrape }), /EADDRINUSE/)
  })
})

test('the metrics server gives the scrape at /metrics, whatever the Host, and nothing else', async () => {
  const scrape = async () => ({ contentType: 'text/plain; version=0.0.4', text: 'a 1\n' })
  const server = await startMetricsServer({ host: '127.0.0.1', port: 0, scrape })
  const got = await call(server.port, 'GET', '/metrics', { host: 'pod-ip:9090' })
  assert.deepEqual([got.status, got.body], [200, 'a 1\n'])
  assert.equal((await call(server.port, 'GET', '/quit')).status, 404)
  assert.equal((await call(server.port, 'POST', '/metrics')).status, 405)
  await server.close()
})
