/** One try of an exchange through an undici dispatcher: its handler on one side, the attempt port on the other. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { nowUs } from '../core/clock.ts'
import { type ConnectionFacts, errnoOf, ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import { plainAddress } from '../core/ip-address.ts'
import { ResponseHead, UNTIL_CLOSE } from '../core/message.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { phaseOf } from '../exchange/phase.ts'
import type { Attempt, AttemptEvents } from '../exchange/ports.ts'
import type { SectionLimits } from '../http/message/section-reader.ts'
import { acceptsUpgrade } from '../http/message/websocket.ts'
import { handleOf } from '../net/raw-handle.ts'
import { Wire } from '../net/wire.ts'
import { MAX_INFORMATIONAL } from './broken-connection.ts'
import type { DispatchFacts, FactsReceiver } from './dispatch-facts.ts'
import { dispatchFailure } from './dispatch-failures.ts'
import { dispatchOptions, RequestBody } from './dispatch-request.ts'
import { DispatchedHeads, trailersOf } from './dispatch-response.ts'
import type { DispatchRoute } from './dispatch-route.ts'

export interface UndiciAttemptOptions {
  readonly route: DispatchRoute
  readonly facts: DispatchFacts
  readonly limits: SectionLimits
  /** Milliseconds; 0 turns one off. */
  readonly timeouts: { readonly firstByteMs: number; readonly responseIdleMs: number }
  readonly highWater: number
  /** The attempt waits no more: it is on a connection, or over. */
  readonly onOver: (attempt: UndiciAttempt) => void
  /** The attempt left the queue. */
  readonly onLeft: () => void
}

type Controller = Dispatcher.DispatchController

const NOTHING = Buffer.alloc(0)
const GIVEN_UP = new Error('the exchange is over')
const PROXY_AUTHENTICATION = 407
const LENGTH_MISMATCH = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'

export class UndiciAttempt implements Attempt, Dispatcher.DispatchHandler, FactsReceiver {
  readonly exchange: Exchange
  readonly #events: AttemptEvents
  readonly #options: UndiciAttemptOptions
  readonly #heads: DispatchedHeads
  ready = true
  reused = false
  #controller: Controller | undefined
  #body: RequestBody | undefined
  #head = new ResponseHead()
  #beganUs = -1
  #openedUs = -1
  #socket: Socket | undefined
  #headBytes = 0
  #queued = true
  /** It waited too long; undici keeps it in its queue all the same. */
  #gaveUp = false
  #started = false
  /** In `dispatch`: what fails there is told afterwards. */
  #dispatching = false
  #informational = 0
  #received = 0
  #flushes = false
  #over = false

  constructor(exchange: Exchange, events: AttemptEvents, options: UndiciAttemptOptions) {
    this.exchange = exchange
    this.#events = events
    this.#options = options
    this.#heads = new DispatchedHeads(options.limits)
  }

  // === the request ===

  get bytesSent(): number {
    if (!this.#started) return 0
    const body = this.#body
    return Math.max(this.#headBytes, 1) + (body === undefined ? 0 : body.pushed - body.readableLength)
  }

  get facts(): ConnectionFacts | undefined {
    if (this.#openedUs < 0) return undefined
    const { bytesSent, reused } = this
    return { reused, ageUs: nowUs() - this.#openedUs, bytesSent }
  }

  begin(): void {
    const { route, facts, timeouts } = this.#options
    const { request } = this.exchange
    this.#beganUs = nowUs()
    if (request.bodyLength !== 0) this.#body = this.#makeBody()
    const options: Dispatcher.DispatchOptions = {
      ...dispatchOptions(request, route),
      body: this.#body ?? null,
      headersTimeout: timeouts.firstByteMs,
      bodyTimeout: timeouts.responseIdleMs,
    }
    this.#dispatching = true
    try {
      facts.during(this, () => route.dispatcher.dispatch(options, this))
    } catch (error) {
      this.onResponseError(undefined, error as Error)
    }
    this.#dispatching = false
  }

  #makeBody(): RequestBody {
    const body = new RequestBody((first) => {
      if (this.#over) return
      // undici does not take Expect: with a connection there, the client may go on.
      if (first && this.exchange.request.expectContinue) this.#continue()
      this.#events.onAttemptDrain(this)
    })
    body.once('end', () => {
      const { timing } = this.exchange
      if (!this.#over && timing.sentUs < 0) timing.sentUs = nowUs()
    })
    return body
  }

  #continue(): void {
    const head = new ResponseHead()
    head.status = 100
    head.reason = 'Continue'
    this.#events.onAttemptInformational(this, head)
  }

  data(buf: Buffer, start: number, end: number): boolean {
    return this.#body?.accept(buf, start, end) ?? true
  }

  /** Trailers end here: undici sends none, and a hop may discard them (RFC 9110 §6.5.1). */
  end(_trailers: HeaderBlock | undefined): void {
    this.#body?.finish()
  }

  flush(): void {}

  pauseResponse(): void {
    this.#controller?.pause()
  }

  resumeResponse(): void {
    this.#controller?.resume()
  }

  cancel(): void {
    this.#end()
    this.#controller?.abort(GIVEN_UP)
    this.#body?.destroy()
  }

  /** Refused before it was begun. */
  refuse(error: ProxyError): void {
    this.ready = false
    queueMicrotask(() => this.#fail(error))
  }

  /** It waited too long for a connection. */
  giveUp(error: ProxyError): void {
    this.#gaveUp = this.#beganUs >= 0
    this.#fail(error)
  }

  // === what undici tells ===

  onSocket(socket: Socket, reused: boolean, openedUs: number, headBytes: number): void {
    const { exchange } = this
    this.reused = reused
    this.#openedUs = openedUs
    this.#socket = socket
    this.#headBytes = headBytes
    exchange.upstreamReused = reused
    exchange.upstreamPeer = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 }
    exchange.upstreamFd = handleOf(socket)?.fd ?? -1
    // Names, handshakes and tunnels of a connection that was made for this request: undici does not part them.
    if (!reused) exchange.timing.connectUs = this.#beganUs
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#over) {
      this.#leave()
      controller.abort(GIVEN_UP)
      return
    }
    if (this.#started) return
    this.#started = true
    this.#options.onOver(this)
    this.#leave()
    const { timing } = this.exchange
    timing.sendUs = nowUs()
    if (this.#body === undefined) timing.sentUs = timing.sendUs
  }

  onResponseStart(controller: Controller, status: number, headers: object, reason = ''): void {
    if (this.#over) return
    const refused = this.#read(controller, status, headers, reason)
    if (refused !== undefined) {
      this.#fail(refused)
      return
    }
    if (status < 200) {
      this.#events.onAttemptInformational(this, this.#head)
      return
    }
    this.exchange.timing.responseUs = nowUs()
    this.#events.onAttemptHead(this, this.#head)
    this.#flushSoon()
  }

  #read(controller: Controller, status: number, headers: object, reason: string): ProxyError | undefined {
    const { method } = this.exchange.request
    const refused = this.#heads.read(this.#head, method, status, reason, controller.rawHeaders, headers)
    if (refused !== undefined) return refused
    if (status === PROXY_AUTHENTICATION && this.#options.route.absolute !== '') {
      return new ProxyError('egress_refused', 'wait', 'status 407')
    }
    const tooMany = status < 200 && ++this.#informational > MAX_INFORMATIONAL
    return tooMany ? new ProxyError('too_many_informational', 'wait') : undefined
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    if (this.#over) return
    this.#received += chunk.length
    // An interceptor may have changed the body and not its length.
    if (this.#head.bodyLength >= 0 && this.#received > this.#head.bodyLength) {
      this.#fail(new ProxyError('bad_response', 'receive', 'the body is longer than its length'))
      return
    }
    this.#events.onAttemptData(this, chunk, 0, chunk.length)
    this.#flushSoon()
  }

  onResponseEnd(controller: Controller, trailers: object): void {
    if (this.#over) return
    if (this.#head.bodyLength > this.#received) {
      this.#fail(new ProxyError('upstream_aborted', 'receive', 'the body is shorter than its length'))
      return
    }
    // undici takes an error for the end of a body that the close of its connection ends.
    const cause = this.#head.bodyLength === UNTIL_CLOSE ? this.#socket?.errored : undefined
    if (cause) {
      this.#fail(new ProxyError('upstream_aborted', 'receive', '', { errno: errnoOf(cause), cause }))
      return
    }
    this.#complete(trailersOf(controller.rawTrailers, trailers))
  }

  #complete(trailers: HeaderBlock | undefined): void {
    this.exchange.timing.receivedUs = nowUs()
    this.#end()
    this.#events.onAttemptEnd(this, trailers)
  }

  onRequestUpgrade(controller: Controller, status: number, headers: object, socket: Duplex): void {
    const refused = this.#over ? undefined : this.#read(controller, status, headers, '')
    const head = this.#head
    const agreed = !this.#over && acceptsUpgrade(this.exchange.request, head, this.#heads.connectionUpgrade)
    if (refused !== undefined || !agreed) {
      socket.destroy()
      this.#fail(refused ?? new ProxyError('bad_response', 'wait', 'a 101 that was not asked for or does not fit'))
      return
    }
    this.exchange.timing.responseUs = nowUs()
    this.#end()
    const wire = Wire.over(socket as Socket, this.#options.highWater)
    wire.pause()
    this.#events.onAttemptUpgrade(this, head, { early: NOTHING, wire })
  }

  /** Before a connection is there, no controller is either. */
  onResponseError(_controller: Controller | undefined, error: Error): void {
    if (this.#over) {
      this.#leave()
      return
    }
    const { timing } = this.exchange
    // A 304 tells the length of what it stands for (RFC 9110 §8.6); undici misses a body then.
    if (this.#head.status === 304 && timing.responseUs >= 0 && errnoOf(error) === LENGTH_MISMATCH) {
      this.#complete(undefined)
      return
    }
    const phase = phaseOf(this.exchange)
    const answered = timing.responseUs >= 0 || this.#informational > 0
    const failure = dispatchFailure(error, { started: this.#started, answered, phase })
    if (!this.#started) this.#stamp(failure)
    this.#fail(failure)
  }

  /** What took its time before the connection stood. */
  #stamp({ phase }: ProxyError): void {
    const { timing } = this.exchange
    if (phase === 'dns') timing.dnsUs = this.#beganUs
    else if (phase === 'connect' || phase === 'tls') timing.connectUs = this.#beganUs
  }

  // === the end ===

  /** What undici reads in one go leaves in one go. */
  #flushSoon(): void {
    if (this.#flushes) return
    this.#flushes = true
    queueMicrotask(() => {
      this.#flushes = false
      if (!this.#over) this.#events.onAttemptFlush(this)
    })
  }

  #fail(error: ProxyError): void {
    if (this.#over) return
    const failure = error.on(this.facts)
    this.#end()
    this.#controller?.abort(GIVEN_UP)
    this.#body?.destroy()
    if (this.#dispatching) queueMicrotask(() => this.#events.onAttemptError(this, failure))
    else this.#events.onAttemptError(this, failure)
  }

  #end(): void {
    this.#over = true
    this.ready = false
    this.#options.onOver(this)
    if (!this.#gaveUp) this.#leave()
  }

  #leave(): void {
    if (!this.#queued) return
    this.#queued = false
    this.#options.onLeft()
  }
}
