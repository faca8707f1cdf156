/** Entries of the runbook that need many calls: made spans, as proxies send them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident, IncidentCause } from '../../src/aggregator/diagnosis/incidents.ts'
import { type MadeCall, MadeStream } from './made-stream.ts'

const LEARN_S = 75

/** A stream that knows what is usual of `calls` a second. */
function learnt(calls: (n: number) => MadeCall, perSecond = 20): { stream: MadeStream; as: (s: number) => void } {
  const stream = new MadeStream()
  const as = (): void => {
    for (let n = 0; n < perSecond; n++) stream.call(calls(n))
  }
  stream.pass(LEARN_S, as)
  assert.deepEqual(stream.changes, [])
  return { stream, as }
}

function first(stream: MadeStream, severity: Incident['severity']): IncidentCause {
  const found = stream.incidents.find((one) => one.severity === severity)
  assert.ok(found !== undefined, JSON.stringify(stream.incidents))
  return found.causes[0]!
}

const said = ({ diagnosis, from, service }: IncidentCause): string => `${diagnosis} ${from} ${service}`

test('retransmits: a rate that is new is told; one that was always there is not', () => {
  const resent = (count: number): Partial<MadeCall> => ({
    caller: { attributes: { 'hopscope.tcp.upstream.resent': count } },
  })
  const { stream, as } = learnt(() => ({}))
  stream.pass(10, () => {
    for (let n = 0; n < 20; n++) stream.call(n % 3 === 0 ? resent(2) : {})
  })
  assert.equal(said(first(stream, 'fault')), 'retransmissions web shop')
  assert.match(first(stream, 'fault').evidence.join(), /sent again on 3\d %.*1\d\.\d segments a second \(usual 0\.0\)/)
  stream.pass(40, as)
  const lossy = learnt((n) => (n % 3 === 0 ? resent(2) : {}))
  lossy.stream.pass(30, lossy.as)
  assert.deepEqual(lossy.stream.changes, [])
})

test('MTU black hole: large bodies stall, small ones pass', () => {
  const sized = (n: number): MadeCall => {
    const bytes = n % 2 === 0 ? 6000 : 200
    return { caller: { attributes: { 'http.request.body.size': bytes } } }
  }
  const { stream } = learnt(sized)
  const stalled: MadeCall = {
    caller: {
      ...{ ms: 2000, http: 504, error: 'first_byte_timeout' },
      attributes: { 'http.request.body.size': 6000, 'hopscope.tcp.upstream.resent': 4 },
    },
    callee: 'unseen',
  }
  stream.pass(10, () => {
    for (let n = 0; n < 20; n++) stream.call(n % 2 === 0 ? stalled : sized(n))
  })
  const cause = first(stream, 'fault')
  assert.equal(said(cause), 'mtu_black_hole web shop')
  assert.match(cause.evidence.join(), /of \d+ with more than 1,300 bytes \d+ stalled; \d+ smaller ones passed/)
})

test('one client starves the rest: it calls ten times as often, the others as ever, the service is slow', () => {
  const from = (n: number): MadeCall => ({ from: ['web', 'app', 'batch'][n % 3]! })
  const { stream } = learnt(from, 21)
  stream.pass(12, () => {
    for (let n = 0; n < 14; n++) stream.call({ from: n % 2 === 0 ? 'web' : 'app', ms: 90 })
    for (let n = 0; n < 70; n++) stream.call({ from: 'batch', ms: 90 })
  })
  const cause = first(stream, 'fault')
  assert.equal(said(cause), 'noisy_client batch shop')
  assert.match(cause.evidence[0]!, /batch calls it 7\d\.\d times a second \(usual [67]\.\d\), 8\d % of all; 2 other/)
})

test('calls that stopped: the caller is as busy as ever; a night without requests is no news', () => {
  const { stream, as } = learnt(() => ({}))
  stream.pass(50, () => {})
  assert.deepEqual(stream.changes, [])
  stream.pass(30, as)
  stream.pass(40, () => {
    for (let n = 0; n < 20; n++) stream.call({ alone: true })
  })
  assert.equal(said(first(stream, 'warning')), 'calls_stopped web shop')
  stream.pass(30, as)
  assert.deepEqual(stream.changes, [
    'opened web → shop: calls stopped coming',
    'closed web → shop: calls stopped coming',
  ])
})

test('handover: calls go well, and the callee, which sends spans, has none of them', () => {
  const { stream } = learnt(() => ({}))
  stream.pass(40, () => {
    for (let n = 0; n < 20; n++) stream.call({ callee: 'unseen' })
  })
  assert.equal(said(first(stream, 'warning')), 'handover_failed web shop')
  assert.equal(stream.changes.length, 1)
})

test('a clock that is wrong is named by its host; of two clocks nobody knows which', () => {
  const stream = new MadeStream()
  const hop = (from: string, to: string, skewMs: number): void => {
    const callee = { host: `${to}-1`, atMs: 1.5 + (to === 'stock' ? skewMs : 0) }
    stream.trace([
      { service: from, host: `${from}-1`, ms: 12 },
      { service: from, host: `${from}-1`, calls: `${to}.mesh`, atMs: 1, ms: 9 },
      { service: to, ...callee, ms: 8 },
    ])
  }
  const all = (skewMs: number) => (): void => {
    for (let n = 0; n < 6; n++) for (const to of ['shop', 'stock', 'pay']) hop('web', to, skewMs)
  }
  stream.pass(30, all(0))
  assert.deepEqual(stream.changes, [])
  stream.pass(10, all(3000))
  const cause = first(stream, 'warning')
  assert.equal(said(cause), 'clock_drift  stock')
  assert.match(cause.evidence[0]!, /the clock of stock-1 \(stock\) is 3\.00 s ahead of those of the others \(± 500 µs/)
  stream.pass(80, all(0))
  assert.equal(stream.incidents[0]?.state, 'closed')
})

test('pauses at even intervals are told from pauses now and then', () => {
  const paused = (isPaused: (second: number) => boolean): IncidentCause => {
    const { stream } = learnt(() => ({}), 40)
    stream.pass(40, (second) => {
      for (let n = 0; n < 40; n++) {
        if (n >= 14 || !isPaused(second)) stream.call({})
        else stream.trace(heldUntil(stream.nowMs + 400, 30 + n * 12))
      }
    })
    return first(stream, 'fault')
  }
  const cause = paused((second) => second % 2 === 0)
  assert.equal(said(cause), 'periodic_pauses  shop')
  assert.match(cause.evidence[0]!, /end together every 2\.0 s, \d+ times so far, held up for 1\d\d\.\d ms/)
  const now = new Set([0, 1, 4, 6, 7, 12, 13, 14, 19, 21, 22, 26, 31, 32, 34, 35, 39])
  assert.equal(said(paused((second) => now.has(second))), 'unsteady_service  shop')
})

/** Hops that end at that time after so long. */
function heldUntil(endMs: number, ms: number): Parameters<MadeStream['trace']>[0] {
  return [
    { service: 'web', route: '/buy', ms: ms + 3, endMs },
    { service: 'web', calls: 'shop.mesh', route: '/buy', ms: ms + 1, endMs },
    { service: 'shop', route: '/buy', ms, endMs },
  ]
}

test('a proxy that stands still is named, not the service beside it', () => {
  const { stream } = learnt(() => ({}), 30)
  stream.pass(15, () => {
    for (let n = 0; n < 30; n++) {
      const callee = n % 4 === 0 ? { ms: 160, attributes: { 'hopscope.pause_us': 150_000 } } : {}
      stream.call({ ms: n % 4 === 0 ? 160 : 8, callee })
    }
  })
  assert.equal(said(first(stream, 'fault')), 'proxy_slow  shop')
})

test('limits that are near, and spans that were lost: a warning each, over when it is over', () => {
  const { stream, as } = learnt(() => ({}))
  const attributes = { 'hopscope.proxy.descriptors': 900, 'hopscope.proxy.descriptors_limit': 1024 }
  const lost = {
    'hopscope.proxy.dropped_spans': 400,
    'hopscope.host.conntrack': 99,
    'hopscope.host.conntrack_limit': 100,
  }
  stream.pass(20, (s) => {
    as(s)
    stream.call({ callee: { attributes: { ...attributes, ...lost } } })
  })
  const open = stream.incidents.map(
    ({ state, causes: [cause] }) => `${state} ${cause!.diagnosis} ${cause!.evidence[0]}`,
  )
  assert.deepEqual(open.sort(), [
    'open descriptors_short file descriptors: 900 of 1024 (88 %) in use, as its proxy counts',
    'open descriptors_short tracked connections of the host: 99 of 100 (99 %) in use, as its proxy counts',
    'open spans_lost 400 spans of its proxy were lost since it last said so',
  ])
  stream.pass(70, as)
  assert.deepEqual([...new Set(stream.incidents.map(({ state }) => state))], ['closed'])
  assert.equal(stream.changes.length, 6)
})

test('a phase that some of the calls spend names them: slow DNS is not a service that is slow now and then', () => {
  const { stream } = learnt(() => ({}), 30)
  stream.pass(12, () => {
    for (let n = 0; n < 30; n++) {
      const attributes = { 'hopscope.phase.dns_us': 280_000 }
      stream.call(n % 4 === 0 ? { wayMs: 290, caller: { attributes } } : {})
    }
  })
  const cause = first(stream, 'fault')
  assert.equal(said(cause), 'dns_slow web shop')
  assert.match(cause.evidence.join(), /of the slow ones 2\d\d\.\d ms each in dns/)
})
