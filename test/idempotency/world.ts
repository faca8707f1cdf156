/**
 * Drivers with the stage, in a world whose clock, clients, upstream and crashes a test decides: everything between the
 * two ports is the real code.
 */
import { ProxyError } from '../../src/core/errors.ts'
import { HeaderBlock } from '../../src/core/headers.ts'
import { newSpanId, newTraceId } from '../../src/core/ids.ts'
import { knownId } from '../../src/core/known-names.ts'
import { silentLogger } from '../../src/core/log.ts'
import { CHUNKED, RequestHead, ResponseHead } from '../../src/core/message.ts'
import { type Deadlined, Sweeper } from '../../src/core/timers.ts'
import { compileStages } from '../../src/exchange/compile.ts'
import { Driver } from '../../src/exchange/driver.ts'
import { type ConnectionInfo, Exchange } from '../../src/exchange/exchange.ts'
import type { IdempotencyStore } from '../../src/exchange/idempotency-store.ts'
import type { Attempt, AttemptEvents, Downstream, Upstream } from '../../src/exchange/ports.ts'
import { CONTINUE } from '../../src/exchange/stage.ts'
import { rescue } from '../../src/http/rescue.ts'
import { Policies, type Policy } from '../../src/stages/idempotency/policy.ts'
import { Idempotency } from '../../src/stages/idempotency/stage.ts'

/** Deadlines that a test lets pass. */
class HandSweeper extends Sweeper {
  readonly members = new Set<Deadlined>()

  override add(member: Deadlined): void {
    this.members.add(member)
  }

  override remove(member: Deadlined): void {
    this.members.delete(member)
  }
}

/** A request at the upstream. */
export class WorldAttempt implements Attempt {
  readonly exchange: Exchange
  readonly #events: AttemptEvents
  ready = false
  reused: boolean
  begun = false
  over = false
  received = ''
  receivedEnd = false

  constructor(exchange: Exchange, events: AttemptEvents, reused: boolean) {
    this.exchange = exchange
    this.#events = events
    this.reused = reused
  }

  readonly facts = undefined

  get bytesSent(): number {
    return this.begun ? 100 : 0
  }

  begin(): void {
    this.begun = true
  }
  data(buf: Buffer, start: number, end: number): boolean {
    this.received += buf.toString('latin1', start, end)
    return true
  }
  end(): void {
    this.receivedEnd = true
  }
  flush(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
  cancel(): void {
    this.ready = false
    this.over = true
  }

  connect(): void {
    this.ready = true
    this.#events.onAttemptReady(this)
  }

  fail(error: ProxyError): void {
    this.ready = false
    this.over = true
    this.#events.onAttemptError(this, error)
  }

  respond(status: number, body: string): void {
    this.over = true
    const head = new ResponseHead()
    head.status = status
    head.headers = HeaderBlock.from([['X-Status', String(status)]])
    head.bodyLength = body.length
    const bytes = Buffer.from(body, 'latin1')
    this.#events.onAttemptHead(this, head)
    if (bytes.length > 0) this.#events.onAttemptData(this, bytes, 0, bytes.length)
    this.#events.onAttemptEnd(this, undefined)
  }
}

/** A client with one request. */
export class WorldClient implements Downstream {
  readonly key: string
  readonly body: string
  readonly process: WorldProcess
  readonly x: Exchange
  readonly #pieces: Buffer[]
  status = 0
  answer = ''
  replayed = false
  bypassed = false
  ended = false
  aborted = false
  left = false
  #pumping = false

  constructor(process: WorldProcess, key: string, body: string, chunked: boolean) {
    this.key = key
    this.body = body
    this.process = process
    this.#pieces = [...body].map((letter) => Buffer.from(letter))
    this.x = new Exchange(connection(), requestHead(key, chunked ? CHUNKED : body.length), this)
    process.driver.start(this.x)
    this.resumeRequest()
  }

  /** Nothing more will come of it. */
  get over(): boolean {
    return this.ended || this.aborted || this.left || this.process.dead
  }

  resumeRequest(): void {
    if (this.#pumping || this.left) return
    this.#pumping = true
    const { driver } = this.process
    while (!this.x.requestEnded && !this.x.finished && driver.takesData(this.x)) {
      const piece = this.#pieces.shift()
      if (piece === undefined) driver.requestEnd(this.x, undefined)
      else driver.requestData(this.x, piece, 0, piece.length)
    }
    if (!this.x.finished) driver.flushRequest(this.x)
    this.#pumping = false
  }

  leave(): void {
    if (this.over) return
    this.left = true
    this.process.driver.downstreamClosed(this.x, undefined)
  }

  informational(): void {}
  respond(_x: Exchange, head: ResponseHead): void {
    this.status = head.status
    this.replayed = head.headers.get('idempotent-replayed') === 'true'
    this.bypassed = head.headers.get('idempotency-status') === 'bypassed'
  }
  data(buf: Buffer, start: number, end: number): boolean {
    this.answer += buf.toString('latin1', start, end)
    return true
  }
  end(): void {
    this.ended = true
  }
  flush(): void {}
  pauseRequest(): void {}
  abort(): void {
    this.aborted = true
  }
  finished(): void {}
  upgrade(): void {}
}

/** A proxy. */
export class WorldProcess implements Upstream {
  readonly driver: Driver
  readonly sweeper = new HandSweeper()
  readonly attempts: WorldAttempt[] = []
  readonly idempotency: Idempotency
  dead = false
  nextReused = false
  readonly #onAttempt: (attempt: WorldAttempt) => void

  constructor(
    store: IdempotencyStore,
    policy: Policy,
    lease: { leaseMs: number; graceMs: number },
    onAttempt: (attempt: WorldAttempt) => void = () => {},
  ) {
    this.#onAttempt = onAttempt
    this.idempotency = new Idempotency({
      store,
      policies: new Policies(policy, ['POST'], []),
      outbound: false,
      withoutPrincipal: 'address',
      ...lease,
      sweeper: this.sweeper,
      log: silentLogger,
    })
    const trace = { name: 'trace', role: 'decide' as const, onRequestHead: startTrace }
    this.driver = new Driver({
      stages: compileStages([trace, this.idempotency]),
      upstream: this,
      rescue,
      failureTrailers: () => undefined,
      log: silentLogger,
      sweeper: this.sweeper,
      detachedMs: 1_000_000,
    })
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    const attempt = new WorldAttempt(x, events, this.nextReused)
    this.attempts.push(attempt)
    this.#onAttempt(attempt)
    return attempt
  }

  clientGone(): void {}

  /** Deadlines of some kind pass: leases are renewed, or waits end. */
  tick(): void {
    for (const member of [...this.sweeper.members]) {
      if (member.deadlineUs === Number.POSITIVE_INFINITY) continue
      member.deadlineUs = Number.POSITIVE_INFINITY
      member.onDeadline(Number.POSITIVE_INFINITY)
    }
  }
}

function startTrace(x: Exchange): typeof CONTINUE {
  x.requestId = newSpanId()
  x.trace = { traceId: newTraceId(), spanId: newSpanId(), parentSpanId: '', flags: 1, state: '' }
  return CONTINUE
}

function connection(): ConnectionInfo {
  return {
    id: 1,
    direction: 'edge',
    peer: { address: '192.0.2.1', port: 1 },
    local: { address: '192.0.2.2', port: 1 },
    originalDestination: undefined,
    scheme: 'http',
    fd: -1,
    affinity: undefined,
    exchanges: 1,
    tcpReadUs: 0,
  } as unknown as ConnectionInfo
}

function requestHead(key: string, bodyLength: number): RequestHead {
  const head = new RequestHead()
  head.method = 'POST'
  head.path = head.target = '/pay'
  head.host = 'here'
  head.bodyLength = bodyLength
  const name = 'Idempotency-Key'
  const id = knownId('idempotency-key')
  head.headers.push(0, name.length, name.length + 2, name.length + 2 + key.length, id, true)
  head.headers.seal(`${name}: ${key}\r\n`)
  return head
}

/** Everything that can happen without a clock has happened. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}

export const connectionRefused = (): ProxyError => new ProxyError('connection_refused', 'connect')
export const reset = (): ProxyError => new ProxyError('upstream_reset', 'wait')
