import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attribute, type Call } from '../../src/aggregator/diagnosis/attribution.ts'
import type { TraceDiagnosis } from '../../src/aggregator/diagnosis/diagnosis.ts'
import type { DiagnosisName } from '../../src/core/diagnoses.ts'
import { called, diagnosed, hopReads, plain, served } from './made-traces.ts'

const first = ({ causes }: TraceDiagnosis): string =>
  causes[0] === undefined
    ? 'none'
    : `${causes[0].diagnosis} at ${causes[0].from === '' ? '' : `${causes[0].from} → `}${causes[0].service}`

/** web → orders → payments with sidecars everywhere; `last` fails at payments, all above answer by it. */
function chain(last: Parameters<typeof served>[2], edge: Parameters<typeof called>[3] = {}, seen = true) {
  const web = served('web', '', { ms: 100, http: 503 })
  const toOrders = called('web', web.spanId, 'orders.mesh', { startMs: 5, ms: 90, http: 502 })
  const orders = served('orders', toOrders.spanId, { startMs: 6, ms: 88, http: 502 })
  const toPayments = called('orders', orders.spanId, 'payments.mesh', { startMs: 10, ms: 80, http: 500, ...edge })
  const payments = served('payments', toPayments.spanId, { startMs: 11, ms: 78, ...last })
  return [web, toOrders, orders, toPayments, ...(seen ? [payments] : [])]
}

test('the deepest failed hop, not the loudest: status and exception', () => {
  const status = diagnosed(chain({ http: 500 }))
  assert.equal(status.verdict, 'failed')
  assert.equal(first(status), 'server_error at payments')
  assert.match(
    status.causes[0]!.evidence[0]!,
    /payments GET failed with status 500 after 78\.0 ms; nothing beneath it failed/,
  )
  assert.equal(status.causes.length, 1)
})

test('what a proxy could not do, by its code', () => {
  const cases: [string, number, DiagnosisName][] = [
    ['connection_refused', 502, 'connection_refused'],
    ['upstream_reset', 502, 'connection_reset'],
    ['upstream_aborted', 200, 'connection_reset'],
    ['dns_failed', 502, 'dns_failing'],
    ['dns_timeout', 504, 'dns_failing'],
    ['connect_timeout', 504, 'connect_timeout'],
    ['tls_certificate_expired', 502, 'tls_certificate_expired'],
    ['tls_version_mismatch', 502, 'tls_version_mismatch'],
    ['tls_unknown_ca', 502, 'tls_failing'],
    ['tls_name_mismatch', 502, 'tls_failing'],
    ['overloaded', 503, 'overloaded'],
    ['queue_timeout', 503, 'overloaded'],
    ['bad_response', 502, 'bad_response'],
    ['internal_error', 500, 'proxy_fault'],
    ['send_timeout', 504, 'blackhole'],
    ['deadline_exceeded', 504, 'deadline_exceeded'],
  ]
  for (const [error, http, name] of cases) {
    const { causes, verdict } = diagnosed(chain({}, { error, http }, false))
    assert.equal(verdict, 'failed', error)
    assert.equal(causes[0]?.diagnosis, name, error)
    assert.deepEqual([causes[0]?.from, causes[0]?.service], ['orders', 'payments'], error)
  }
})

test('a call that is swallowed: gave up, and nobody saw it', () => {
  const trace = diagnosed(chain({}, { error: 'first_byte_timeout', http: 0, ms: 5000 }, false))
  assert.equal(first(trace), 'blackhole at orders → payments')
  assert.match(trace.causes[0]!.evidence.join('\n'), /never at payments's inbound: handover failed/)
})

test('a timeout is the fault of what was slow beneath, not of who gave up', () => {
  const web = served('web', '', { ms: 1000, http: 504 })
  const toOrders = called('web', web.spanId, 'orders.mesh', {
    startMs: 1,
    ms: 998,
    error: 'first_byte_timeout',
    http: 504,
  })
  const orders = served('orders', toOrders.spanId, { startMs: 2, ms: 996, error: 'client_closed', http: 0 })
  const toStock = called('orders', orders.spanId, 'stock.mesh', { startMs: 3, ms: 20 })
  const toPayments = called('orders', orders.spanId, 'payments.mesh', {
    startMs: 30,
    ms: 960,
    error: 'client_closed',
    http: 0,
  })
  const payments = served('payments', toPayments.spanId, { startMs: 31, ms: 958, error: 'client_closed', http: 0 })
  const trace = diagnosed([web, toOrders, orders, toStock, toPayments, payments])
  assert.equal(first(trace), 'slow_service at payments')
  assert.equal(trace.causes[1]?.diagnosis, 'upstream_timeout')
})

test('a service whose own client gave up is not the one at fault', () => {
  const web = served('web', '', { ms: 520, http: 500 })
  const toOrders = called('web', web.spanId, 'orders.mesh', { startMs: 1, ms: 510, error: 'client_closed', http: 0 })
  const orders = served('orders', toOrders.spanId, { startMs: 2, ms: 508, error: 'client_closed', http: 0 })
  assert.equal(first(diagnosed([web, toOrders, orders])), 'slow_service at orders')
})

test('retries that hid a fault: recovered, with the fault named', () => {
  const web = served('web', '', { ms: 50 })
  const call = called('web', web.spanId, 'orders.mesh', { startMs: 1, ms: 40 })
  const try1 = called('web', call.spanId, 'orders.mesh', { startMs: 2, ms: 5, error: 'upstream_reset', http: 0 })
  const try2 = called('web', call.spanId, 'orders.mesh', { startMs: 10, ms: 30 })
  const orders = served('orders', try2.spanId, { startMs: 11, ms: 28 })
  const trace = diagnosed([web, call, try1, try2, orders])
  assert.equal(trace.verdict, 'recovered')
  assert.match(trace.causes[0]!.evidence.join(' '), /a retry or a fallback hid it/)
  assert.equal(trace.causes[0]!.diagnosis, 'connection_reset')
})

test('what a try of ours brought is of the call that it is a try of', () => {
  const web = served('web', '', { ms: 50, http: 502 })
  const call = called('web', web.spanId, 'orders.mesh', { startMs: 1, ms: 40, http: 500 })
  const tried = (number: number, more: Parameters<typeof called>[3]) =>
    plain(
      called('web', call.spanId, '10.0.0.9', {
        ...more,
        attributes: { ...more?.attributes, 'hopscope.attempt': number },
      }),
    )
  const try1 = tried(1, { startMs: 2, ms: 5, error: 'upstream_reset', http: 0 })
  const try2 = tried(2, { startMs: 10, ms: 30, http: 500, attributes: { 'http.request.resend_count': 1 } })
  const orders = served('orders', try2.spanId, { startMs: 11, ms: 28, http: 500 })
  const { causes, verdict } = diagnosed([web, call, try1, try2, orders])
  assert.equal(verdict, 'failed')
  const [cause] = causes
  assert.deepEqual([cause!.diagnosis, cause!.service, cause!.spanId], ['server_error', 'orders', orders.spanId])
  assert.doesNotMatch(JSON.stringify(causes), /10\.0\.0\.9|handover/)
})

test('a failure that was made good does not explain one that came later', () => {
  const web = served('web', '', { ms: 100, http: 500 })
  const bad = called('web', web.spanId, 'stock.mesh', { startMs: 1, ms: 5, http: 503 })
  const again = called('web', web.spanId, 'stock.mesh', { startMs: 10, ms: 5 })
  const trace = diagnosed([web, bad, again])
  assert.equal(first(trace), 'server_error at web')
  assert.equal(trace.causes.length, 2)
})

test('of two failures the one that its caller could not make good', () => {
  const web = served('web', '', { ms: 100, http: 500 })
  const optional = called('web', web.spanId, 'stock.mesh', { startMs: 1, ms: 5, http: 500 })
  const stock = served('stock', optional.spanId, { startMs: 2, ms: 3, http: 500 })
  const needed = called('web', web.spanId, 'payments.mesh', { startMs: 60, ms: 39, http: 500 })
  const payments = served('payments', needed.spanId, { startMs: 61, ms: 37, http: 500 })
  const trace = diagnosed([web, optional, stock, needed, payments])
  assert.equal(first(trace), 'server_error at payments')
  assert.equal(trace.causes[1]?.service, 'stock')
})

test('4xx is between caller and callee, 429 is load', () => {
  const trace = (http: number): TraceDiagnosis => {
    const web = served('web', '', { ms: 30, http: 500 })
    const call = called('web', web.spanId, 'orders.mesh', { startMs: 1, ms: 20, http })
    return diagnosed([web, call, served('orders', call.spanId, { startMs: 2, ms: 18, http })])
  }
  assert.equal(first(trace(404)), 'client_error at web → orders')
  assert.equal(first(trace(429)), 'rate_limited at web → orders')
})

test('the client gone: said only where nothing had failed', () => {
  const trace = diagnosed([served('web', '', { ms: 3000, http: 0, error: 'client_closed' })])
  assert.equal(first(trace), 'client_gone at web')
  assert.equal(trace.verdict, 'failed')
  assert.equal(trace.causes[1]?.diagnosis, 'slow_service')
})

test('sidecars on some services only: the untraced callee is named by its address', () => {
  const web = served('web', '', { ms: 30, http: 502 })
  const call = called('web', web.spanId, 'ledger.legacy', { startMs: 1, ms: 20, http: 500 })
  assert.equal(first(diagnosed([web, call])), 'dependency_failing at web → ledger.legacy')
})

test('spans of another tracer, without phases, status or kind', () => {
  const root = plain({ ...served('web', '', { ms: 30, http: 500 }), failed: false, kind: 'unspecified' })
  const below = plain({
    ...served('orders', root.spanId, { startMs: 1, ms: 20, http: 500 }),
    failed: false,
    kind: 'unspecified',
  })
  assert.equal(first(diagnosed([root, below])), 'server_error at orders')
})

test('gRPC by its status', () => {
  const trace = (status: string): TraceDiagnosis => {
    const attributes = { 'rpc.response.status_code': status }
    const web = served('web', '', { ms: 30, http: 200, failed: true })
    const call = called('web', web.spanId, 'orders.mesh', { startMs: 1, ms: 20, failed: true, attributes })
    return diagnosed([web, call, served('orders', call.spanId, { startMs: 2, ms: 18, failed: true, attributes })])
  }
  assert.equal(first(trace('INTERNAL')), 'grpc_error at orders')
  assert.equal(first(trace('RESOURCE_EXHAUSTED')), 'overloaded at orders')
  assert.equal(first(trace('DEADLINE_EXCEEDED')), 'deadline_exceeded at orders')
  assert.equal(first(trace('INVALID_ARGUMENT')), 'client_error at orders')
})

test('what is missing is said, and nothing is guessed of traces that went well', () => {
  const orphan = served('orders', 'e'.repeat(16), { ms: 10, http: 500 })
  assert.match(diagnosed([orphan]).note, /never came/)
  const good = diagnosed([served('web', '', { ms: 10 })])
  assert.deepEqual([good.verdict, good.causes], ['unknown', []])
  assert.match(good.summary, /not known yet/)
})

test('a failure under a caller that does not exist, and rings, are no trouble', () => {
  const a = { ...served('a', '', { http: 500 }), spanId: `${'0'.repeat(15)}a`, parentSpanId: `${'0'.repeat(15)}b` }
  const b = { ...served('b', '', { http: 500 }), spanId: `${'0'.repeat(15)}b`, parentSpanId: `${'0'.repeat(15)}a` }
  assert.equal(diagnosed([a, b]).verdict, 'failed')
})

test('no descriptor left, an open breaker of a library, and a stranger that answers for a callee of the mesh', () => {
  const short = { http: 502, error: 'overloaded', attributes: { 'hopscope.error.errno': 'EMFILE' } }
  assert.equal(first(diagnosed(chain({}, short, false))), 'descriptors_short at orders → payments')
  for (const error of ['io.github.resilience4j.circuitbreaker.CallNotPermittedException', 'CircuitBreakerOpen']) {
    const web = plain(served('web', '', { http: 503 }))
    const call = plain(
      called('web', web.spanId, 'ledger', { http: 0, failed: true, attributes: { 'error.type': error } }),
    )
    assert.equal(first(diagnosed([web, call])), 'circuit_open at web → ledger')
  }
  assert.equal(first(diagnosed(chain({}, { http: 503 }, false))), 'handover_failed at orders → payments')
})

test('a call that went well and whose callee has no span of it is told, behind all else', () => {
  const trace = diagnosed(chain({ http: 200 }, { http: 200 }, false).map((hop) => ({ ...hop, failed: false })))
  const last = trace.causes.at(-1)
  assert.deepEqual([last?.diagnosis, last?.from, last?.service], ['handover_failed', 'orders', 'payments'])
  assert.match(last!.evidence[0]!, /seen at orders's outbound, never at payments's inbound/)
})

test('what is called to undo it does not make it good', () => {
  const web = plain(served('web', '', { ms: 100, http: 500 }))
  const post = plain(called('web', web.spanId, 'orders.mesh', { ms: 20, http: 500 }))
  const orders = plain(served('orders', post.spanId, { ms: 18, startMs: 1, http: 500 }))
  const undo = plain(
    called('web', web.spanId, 'orders.mesh', { ms: 20, startMs: 50, attributes: { 'url.path': '/undo' } }),
  )
  const undone = plain(served('orders', undo.spanId, { ms: 18, startMs: 51, attributes: { 'url.path': '/undo' } }))
  assert.equal(first(diagnosed([web, post, orders, undo, undone])), 'server_error at orders')
  const query = { ...plain(called('web', web.spanId, 'db', { ms: 9, http: 0, failed: true })), name: 'INSERT' }
  const rollback = { ...plain(called('web', web.spanId, 'db', { ms: 1, startMs: 20, http: 0 })), name: 'ROLLBACK' }
  for (const one of [query, rollback]) delete (one.attributes as Record<string, unknown>)['url.path']
  assert.equal(first(diagnosed([web, query, rollback])), 'dependency_failing at web → db')
})

test('a failure whose caller sends no spans was not coped with', () => {
  const alone = diagnosed([served('orders', 'f'.repeat(16), { ms: 40, http: 500 })])
  assert.deepEqual([alone.verdict, first(alone)], ['failed', 'server_error at orders'])
  const again = served('orders', 'f'.repeat(16), { ms: 40, startMs: 50 })
  assert.equal(diagnosed([served('orders', 'f'.repeat(16), { ms: 40, http: 500 }), again]).verdict, 'recovered')
})

test('who sent a message did not cope with what became of it', () => {
  const web = served('web', '', { ms: 100 })
  const sent = { ...plain(called('web', web.spanId, 'kafka', { ms: 5, http: 0 })), kind: 'producer' } as const
  const taken = plain(served('worker', sent.spanId, { startMs: 5000, ms: 300, http: 0, failed: true }))
  const failed = diagnosed([web, sent, { ...taken, kind: 'consumer' }])
  assert.deepEqual([failed.verdict, first(failed)], ['failed', 'server_error at worker'])
})

test('a socket that timed out where the other side was reached waited for the answer', () => {
  const web = plain(served('web', '', { ms: 100, http: 504 }))
  const call = plain(called('web', web.spanId, 'orders.mesh', { ms: 95, http: 0, failed: true }))
  const timedOut = { ...call, attributes: { ...call.attributes, 'error.type': 'ETIMEDOUT' } }
  const orders = plain(served('orders', call.spanId, { startMs: 3, ms: 500 }))
  assert.equal(first(diagnosed([web, timedOut, orders])), 'slow_service at orders')
  assert.equal(first(diagnosed([web, timedOut])), 'connect_timeout at web → orders')
})

test('hops are read a few times each, however deep they are nested', () => {
  const tries: ReturnType<typeof called>[] = []
  for (let i = 0; i < 1000; i++)
    tries.push(called('web', tries.at(-1)?.spanId ?? '', '', { ms: 100, error: 'timeout' }))
  assert.ok(hopReads(tries) < 200 * tries.length)
})

test('failures are judged by few reads each, deep or side by side', () => {
  const reads = (callOf: (i: number) => Partial<Call>): number => {
    let count = 0
    const get = (call: Call, key: string): unknown => {
      count++
      return call[key as keyof Call]
    }
    const names = { isCall: true, service: 'web', peer: 'x', route: '/x', ours: false, abandoned: false }
    const calls = Array.from({ length: 1000 }, (_, i) => {
      return new Proxy<Call>(
        { ...names, startUs: 0, durationUs: 9, parent: -1, failed: true, timedOut: true, ...callOf(i) },
        { get: get as never },
      )
    })
    attribute(calls)
    return count / calls.length
  }
  assert.ok(reads((i) => ({ parent: i === 0 ? -1 : 0 })) < 100)
  assert.ok(reads((i) => ({ parent: i - 1, failed: i % 2 === 0 })) < 100)
  assert.ok(reads((i) => ({ parent: i - 1, abandoned: i % 2 === 1 })) < 100)
})

test('404 to a read before a write that goes well asks whether it is there: nothing failed', () => {
  const method = (name: string) => ({ attributes: { 'http.request.method': name } })
  const trace = (read: string, write: string, { from = 'web', peer = 'orders.mesh', http = 200, web = 200 } = {}) => {
    const root = served('web', '', { ms: 50, http: web })
    const get = called('web', root.spanId, 'orders.mesh', { startMs: 1, ms: 5, http: 404, ...method(read) })
    const notThere = plain(served('orders', get.spanId, { startMs: 2, ms: 3, http: 404, failed: true }))
    const post = called('web', from === 'web' ? root.spanId : get.spanId, peer, {
      ...{ startMs: 10, ms: 5, http },
      ...method(write),
    })
    return diagnosed([root, get, notThere, post])
  }
  assert.equal(trace('GET', 'POST').verdict, 'unknown')
  assert.equal(trace('HEAD', 'PUT').verdict, 'unknown')
  assert.equal(first(trace('GET', 'POST', { web: 500 })), 'server_error at web', 'it does not explain what fails later')
  assert.equal(trace('GET', 'GET').verdict, 'recovered', 'no write')
  assert.equal(trace('POST', 'POST').verdict, 'recovered', 'no read')
  assert.equal(trace('GET', 'POST', { peer: 'stock.mesh' }).verdict, 'recovered', 'written elsewhere')
  assert.equal(trace('GET', 'POST', { http: 409 }).verdict, 'recovered', 'not written')
  assert.equal(trace('GET', 'POST', { from: 'other' }).verdict, 'recovered', 'written by another')
})

test('a call that its caller cancelled, and did not need, is no client that left', () => {
  const web = served('web', '', { ms: 50 })
  const slower = called('web', web.spanId, 'orders.mesh', { startMs: 1, ms: 20, http: 0, error: 'client_closed' })
  const cancelled = served('orders', slower.spanId, { startMs: 2, ms: 19, http: 0, error: 'client_closed' })
  const quicker = called('web', web.spanId, 'orders.mesh', { startMs: 5, ms: 15 })
  assert.equal(diagnosed([web, slower, cancelled, quicker]).verdict, 'unknown')
  const left = served('web', '', { ms: 50, http: 0, error: 'client_closed' })
  const call = called('web', left.spanId, 'orders.mesh', { startMs: 1, ms: 40, http: 0, error: 'client_closed' })
  assert.equal(first(diagnosed([left, call])), 'client_gone at web')
})

test('a message that failed and was processed when it came again: recovered, with what failed beneath', () => {
  const web = served('web', '', { ms: 100 })
  const sent = { ...plain(called('web', web.spanId, 'kafka', { ms: 5, http: 0 })), kind: 'producer' } as const
  const taken = (startMs: number, failed: boolean, service = 'worker') =>
    ({ ...plain(served(service, sent.spanId, { startMs, ms: 30, http: 0, failed })), kind: 'consumer' }) as const
  const bad = taken(5000, true)
  const call = called('worker', bad.spanId, 'stock.mesh', { startMs: 5001, ms: 20, http: 503 })
  const stock = served('stock', call.spanId, { startMs: 5002, ms: 18, http: 503 })
  const recovered = diagnosed([web, sent, bad, call, stock, taken(9000, false)])
  assert.deepEqual([recovered.verdict, first(recovered)], ['recovered', 'server_error at stock'])
  assert.equal(
    diagnosed([web, sent, bad, call, stock, taken(9000, false, 'audit')]).verdict,
    'failed',
    'of another group',
  )
  assert.equal(diagnosed([web, sent, bad, call, stock, taken(9000, true)]).verdict, 'failed')
  assert.equal(diagnosed([web, sent, taken(1000, false), bad, call, stock]).verdict, 'failed', 'before it')
})
