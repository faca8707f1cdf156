/** Spans of a small shop, as its proxies would send them: enough to see every part of the page. */
import { setTimeout as sleep } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import { id, type RawSpan, requestOf, send } from '../aggregator/otlp-messages.ts'
import { rawSpan, type Wanted } from '../aggregator/raw-spans.ts'

export const HOSTILE = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`
export const HOSTILE_TRACE = 'bad'.padStart(32, '0')

const RECORDED = {
  ...{ 'hopscope.recorded.reason': 'asked', 'http.request.header.authorization': ['REDACTED'] },
  ...{ 'http.response.header.vary': ['accept', 'origin'], 'hopscope.response.body': '{"sold":"out"}' },
}

interface HopSpec extends Wanted {
  readonly service: string
  readonly links?: readonly { readonly trace: string; readonly span: string }[]
  readonly events?: readonly string[]
}

export const phases = (of: Readonly<Record<string, number>>, selfUs: number): Record<string, number> => ({
  ...Object.fromEntries(Object.entries(of).map(([phase, us]) => [`hopscope.phase.${phase}_us`, us])),
  'hopscope.self_us': selfUs,
})

/** Sends each service's spans in a request of its own. */
export async function sendSpans(port: number, specs: readonly HopSpec[]): Promise<void> {
  const byService = new Map<string, RawSpan[]>()
  for (const { service, links = [], events = [], ...wanted } of specs) {
    const span: RawSpan = {
      ...rawSpan(wanted),
      links: links.map((link) => ({
        trace_id: id(link.trace.padStart(32, '0')),
        span_id: id(link.span.padStart(16, '0')),
      })),
      events: events.map((name) => ({ time_unix_nano: rawSpan(wanted).start_time_unix_nano, name })),
    }
    const known = byService.get(service)
    if (known === undefined) byService.set(service, [span])
    else known.push(span)
  }
  for (const [service, spans] of byService) {
    for (let at = 0; at < spans.length; at += 5000)
      await sendUntilTaken(port, requestOf(spans.slice(at, at + 5000), service))
  }
}

/** As senders do: refused for lack of room, it is sent again. */
async function sendUntilTaken(port: number, request: Buffer): Promise<void> {
  for (let left = 100; ; left--) {
    try {
      await send(port, request)
      return
    } catch (error) {
      if ((error as { code?: number }).code !== status.UNAVAILABLE || left === 0) throw error
      await sleep(100)
    }
  }
}

/** A checkout through web, orders, payments and stock; `skewMs`: how far the clock of payments is ahead. */
export function checkout(
  trace: string,
  at: number,
  { failed = false, slow = 1, skewMs = 0, orphan = false } = {},
): HopSpec[] {
  const ms = (value: number): number => value * slow
  const us = (value: number): number => Math.round(value * slow * 1000)
  // One clock a service: the one that is ahead is another's.
  const payments = skewMs === 0 ? 'payments' : 'ledger'
  const http = { 'http.request.method': 'GET' }
  const status = failed ? 503 : 200
  return [
    {
      ...{ service: 'web', trace, span: 'a1', startMs: at, ms: ms(62), name: 'GET /checkout/{id}', failed },
      attributes: {
        ...{
          ...http,
          'http.route': '/checkout/{id}',
          'http.response.status_code': status,
          'hopscope.direction': 'inbound',
        },
        ...{ 'http.request.header.x-request-id': [`req-${trace}`], 'url.path': '/checkout/7' },
        ...phases({ queue: us(0.4), connect: us(1.1), send: us(0.3), wait: us(58), receive: us(1.4) }, us(0.8)),
      },
    },
    {
      ...{
        service: 'web',
        trace,
        span: 'a2',
        parent: 'a1',
        kind: 'client',
        startMs: at + ms(4),
        ms: ms(52),
        name: 'POST',
        failed,
      },
      attributes: {
        ...{ 'server.address': 'orders', 'hopscope.direction': 'outbound', 'http.response.status_code': status },
        ...{ 'url.path': '/orders' },
        ...phases({ dns: us(2), connect: us(3), tls: us(6), send: us(1), wait: us(36), receive: us(2) }, us(2)),
      },
    },
    {
      ...{
        service: 'orders',
        trace,
        span: 'b1',
        parent: 'a2',
        startMs: at + ms(17),
        ms: ms(33),
        name: 'POST /orders',
        failed,
      },
      attributes: {
        ...{ 'http.route': '/orders', 'http.response.status_code': status, 'hopscope.direction': 'inbound' },
        ...{
          'hopscope.idempotency.outcome': failed
            ? 'conflict'
            : Number.parseInt(trace, 16) % 4 === 0
              ? 'replay'
              : 'first',
        },
        ...(failed ? RECORDED : {}),
        ...phases({ queue: us(0.5), send: us(0.5), wait: us(30), receive: us(1) }, us(1)),
      },
      links: [{ trace: 'c0ffee', span: 'a1' }],
      events: ['cart was loaded'],
    },
    {
      service: 'orders',
      trace,
      span: 'b3',
      parent: 'b1',
      kind: 'internal',
      startMs: at + ms(18),
      ms: ms(4),
      name: 'load cart',
    },
    {
      ...{
        service: 'orders',
        trace,
        span: 'b2',
        parent: 'b1',
        kind: 'client',
        startMs: at + ms(24),
        ms: ms(23),
        name: 'POST',
        failed,
      },
      attributes: {
        ...{ 'server.address': payments, 'hopscope.direction': 'outbound', 'http.response.status_code': status },
        ...(failed ? { 'error.type': 'upstream_reset', 'hopscope.error.phase': 'wait' } : {}),
        ...phases({ send: us(0.6), wait: us(21), receive: us(0.6) }, us(0.8)),
      },
    },
    {
      ...{
        service: payments,
        trace,
        span: 'd1',
        parent: 'b2',
        startMs: at + ms(26) + skewMs,
        ms: ms(19),
        name: 'POST /charge',
        failed,
      },
      attributes: {
        ...{ 'http.route': '/charge', 'http.response.status_code': status, 'hopscope.direction': 'inbound' },
        ...phases({ queue: us(6), wait: us(12) }, us(1)),
      },
    },
    {
      service: payments,
      trace,
      span: 'd2',
      parent: 'd1',
      kind: 'internal',
      startMs: at + ms(33) + skewMs,
      ms: ms(8),
      name: 'SELECT cards',
    },
    ...(orphan
      ? [
          {
            service: 'stock',
            trace,
            span: 'e2',
            parent: 'e1',
            startMs: at + ms(30),
            ms: ms(9),
            name: 'GET /stock/{id}',
            attributes: { 'http.route': '/stock/{id}', 'http.response.status_code': 200 },
          },
        ]
      : []),
  ] as HopSpec[]
}

/** One trace of `count` spans: a root, and calls three deep below it. */
export function wide(trace: string, count: number): HopSpec[] {
  const list: HopSpec[] = [{ service: 'batch', trace, span: 'f0', startMs: 0, ms: count, name: 'GET /all' }]
  for (let i = 1; i < count; i++) {
    const parent = i % 10 === 1 ? 'f0' : (0xf0 + Math.floor((i - 1) / 10) * 10 + 1).toString(16)
    const kind = i % 10 === 1 ? 'client' : 'internal'
    list.push({
      service: i % 3 === 0 ? 'batch' : 'rows',
      trace,
      span: (0xf0 + i).toString(16),
      parent,
      kind,
      startMs: i - 1,
      ms: i % 10 === 1 ? 10 : 0.8,
      name: `step ${i}`,
    })
  }
  return list
}

export const hostile = (): HopSpec[] => [
  {
    ...{ service: HOSTILE, trace: HOSTILE_TRACE, span: 'a1', name: HOSTILE, startMs: 10, ms: 5, failed: true },
    attributes: {
      [HOSTILE]: HOSTILE,
      'error.type': HOSTILE,
      'server.address': HOSTILE,
      'http.route': HOSTILE,
      'hopscope.idempotency.outcome': HOSTILE,
    },
    events: [HOSTILE],
  },
]
