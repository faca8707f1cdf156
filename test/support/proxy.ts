/** A proxy in this process, as `hopscope proxy` composes it, which keeps what telemetry would see of each exchange. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { DataPlane, type Placement } from '../../src/app/data-plane.ts'
import { reversePlacement } from '../../src/app/placements.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { ProxyError } from '../../src/core/errors.ts'
import type { Direction, IdempotencyOutcome } from '../../src/exchange/exchange.ts'
import { PHASES, type Phase, phaseUs } from '../../src/exchange/exchange.ts'
import type { IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import type { Stage } from '../../src/exchange/stage.ts'
import { UpstreamTls } from '../../src/tls/upstream-tls.ts'
import type { DispatchRoute } from '../../src/upstream/dispatch-route.ts'
import { Peer } from './client.ts'
import { Origin, type Script } from './origin.ts'

/** What was known of an exchange when it finished. */
export interface Finished {
  readonly method: string
  readonly status: number
  readonly error: ProxyError | undefined
  /** Microseconds; phases that the exchange did not have are left out. */
  readonly phases: Partial<Record<Phase, number>>
  readonly durationUs: number
  readonly attempts: number
  readonly reused: boolean
  readonly requestBytes: number
  readonly responseBytes: number
  readonly traceId: string
  readonly idempotency: IdempotencyOutcome | undefined
  /** The span whose response this one was given. */
  readonly originalSpanId: string | undefined
  readonly spanId: string
}

export interface ProxyOptions {
  /** Settings by path, as text. */
  readonly flags?: Record<string, string>
  readonly stages?: readonly Stage[]
  readonly sample?: boolean
  /** The way to the upstream, in place of our own codecs. */
  readonly route?: DispatchRoute
  /** Keys of requests count, and are kept here. */
  readonly store?: IdempotencyStore
  /** Of all connections; default `edge`. */
  readonly direction?: Direction
  /** Where a client's exchanges go, in place of the upstream's URL. */
  readonly destinationOf?: Placement['destinationOf']
}

export class TestProxy {
  readonly plane: DataPlane
  readonly exchanges: Finished[]
  /** Errors that were logged: none is expected unless the test makes a stage throw. */
  readonly complaints: readonly string[]

  private constructor(plane: DataPlane, exchanges: Finished[], complaints: readonly string[]) {
    this.plane = plane
    this.exchanges = exchanges
    this.complaints = complaints
  }

  static async start(upstreamUrl: string, options: ProxyOptions = {}): Promise<TestProxy> {
    const kept = options.store === undefined ? {} : { 'idempotency.store': options.store.name }
    const flags = { 'upstream.url': upstreamUrl, ...kept, ...options.flags }
    const loaded = await loadConfig({ command: 'proxy', env: {}, flags })
    if (!loaded.ok) assert.fail(JSON.stringify(loaded.faults))
    const exchanges: Finished[] = []
    const complaints: string[] = []
    const plane = await DataPlane.start({
      config: loaded.config,
      placement: placement(upstreamUrl, options),
      dial: { tls: new UpstreamTls(loaded.config.upstream.tls) },
      route: options.route,
      sample: () => options.sample ?? true,
      observers: [recorder(exchanges)],
      idempotency: options.store === undefined ? undefined : { store: options.store },
      userStages: options.stages ?? [],
      log: {
        debug: () => {},
        info: () => {},
        warn: (_fields, message) => complaints.push(message),
        error: (_fields, message) => complaints.push(message),
      },
      onStageFault: (stage) => complaints.push(`fault of ${stage}`),
      onRefusedConnection: () => {},
    })
    return new TestProxy(plane, exchanges, complaints)
  }

  get port(): number {
    return this.plane.address.port
  }

  /** The `count` exchanges finished first, once they have. */
  async finished(count: number): Promise<readonly Finished[]> {
    await eventually(`${count} finished exchanges`, () => this.exchanges.length >= count)
    return this.exchanges
  }

  async close(): Promise<void> {
    await this.plane.drain(0)
  }
}

function placement(upstreamUrl: string, { direction = 'edge', destinationOf }: ProxyOptions): Placement {
  const reverse = reversePlacement({ host: '127.0.0.1', port: 0 }, upstreamUrl, false)
  const edge = destinationOf === undefined ? reverse : { ...reverse, destinationOf }
  if (direction === 'edge') return edge
  return { ...edge, admit: (wire, plane) => plane.serve(wire, plane.describe(wire, direction, undefined)) }
}

function recorder(exchanges: Finished[]): Stage {
  return {
    name: 'recorder',
    role: 'observe',
    onFinish(x) {
      const phases: Partial<Record<Phase, number>> = {}
      for (const phase of PHASES) {
        const us = phaseUs(x.timing, phase)
        if (us !== -1) phases[phase] = us
      }
      exchanges.push({
        method: x.request.method,
        status: x.status,
        error: x.error,
        phases,
        durationUs: x.durationUs,
        attempts: x.attempts,
        reused: x.upstreamReused,
        requestBytes: x.requestBytes,
        responseBytes: x.responseBytes,
        traceId: x.trace?.traceId ?? '',
        idempotency: x.idempotency,
        originalSpanId: x.originalLink?.spanId,
        spanId: x.trace?.spanId ?? '',
      })
      return undefined
    },
  }
}

/** Polls, since the state asked for has no event; fails after the deadline. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 8000,
): Promise<void> {
  const until = performance.now() + deadlineMs
  while (!(await holds())) {
    if (performance.now() > until) assert.fail(`no ${what} in time`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Client, proxy and origin in a row, taken down after the test. */
export interface Chain {
  readonly origin: Origin
  readonly proxy: TestProxy
  /** A new connection to the proxy. */
  dial(): Promise<Peer>
}

/** Put a proxy before `origin` (or before one that follows a script). */
export async function chain(t: TestContext, origin: Origin | Script, options: ProxyOptions = {}): Promise<Chain> {
  const server = typeof origin === 'function' ? await Origin.start(origin) : origin
  const proxy = await TestProxy.start(`http://127.0.0.1:${server.port}`, options)
  const clients: Peer[] = []
  t.after(async () => {
    for (const { socket } of clients) socket.destroy()
    await proxy.close()
    await server.close()
    assert.deepEqual(server.faults, [], 'a script of the origin failed')
  })
  return {
    origin: server,
    proxy,
    async dial() {
      const peer = await Peer.connect(proxy.port)
      clients.push(peer)
      return peer
    },
  }
}

/** The problem+json body of a failure made by the proxy. */
export interface Problem {
  readonly code: string
  readonly status: number
  readonly phase: string
  readonly source: string
  readonly errno?: string
  readonly detail?: string
  readonly connection?: { readonly reused: boolean; readonly age_us: number; readonly bytes_sent: number }
}

export function problem(body: string): Problem {
  return JSON.parse(body) as Problem
}
