/**
 * gRPC-Web clients before gRPC servers (grpc/grpc doc/PROTOCOL-WEB.md). Browsers can neither speak HTTP/2 frames nor read
 * trailers, so that the status comes as a last frame of the body. Messages are the same on both sides: they pass as they
 * come, or through base64, piece by piece. Everything else of an exchange (stages, guards, telemetry) sees what the
 * client sees.
 */
import { type ConnectionFacts, ProxyError } from '../core/errors.ts'
import { RPC_GRPC, RPC_WEB, RPC_WEB_TEXT, rpcFormat, rpcKindOf } from '../core/grpc.ts'
import type { HeaderBlock } from '../core/headers.ts'
import { CHUNKED, type ResponseHead } from '../core/message.ts'
import type { ConnectionInfo, Exchange, Target } from '../exchange/exchange.ts'
import { grpcStatusIn } from '../exchange/grpc-status.ts'
import type { Attempt, AttemptEvents, TunnelEnd, Upstream } from '../exchange/ports.ts'
import { Base64Reader, base64Piece } from './base64-stream.ts'

/** First octet of the frame that has the trailers. */
const TRAILERS = 0x80
const FRAME_HEADER = 5

/** The upstream port for all calls: those of gRPC-Web are translated on their way through. */
export class GrpcWebUpstream implements Upstream {
  readonly #inner: Upstream

  constructor(inner: Upstream) {
    this.#inner = inner
  }

  attempt(x: Exchange, events: AttemptEvents): Attempt {
    if (x.rpc !== RPC_WEB && x.rpc !== RPC_WEB_TEXT) return this.#inner.attempt(x, events)
    asGrpc(x)
    return new GrpcWebAttempt(x, events, this.#inner)
  }

  targetOf(x: Exchange): Target | undefined {
    return this.#inner.targetOf?.(x)
  }

  clientGone(connection: ConnectionInfo): void {
    this.#inner.clientGone(connection)
  }
}

/** Make the request head one of gRPC. Once done it stays: further attempts find it so. */
function asGrpc(x: Exchange): void {
  const { request } = x
  const type = request.headers.get('content-type') ?? ''
  if (rpcKindOf(type) === RPC_GRPC) return
  request.headers.set('content-type', `application/grpc+${rpcFormat(type)}`)
  request.headers.delete('x-grpc-web')
  request.wantsTrailers = true
}

class GrpcWebAttempt implements Attempt, AttemptEvents {
  readonly exchange: Exchange
  readonly #events: AttemptEvents
  readonly #inner: Attempt
  readonly #base64: Base64Reader | undefined
  /** The response is one of gRPC: its trailers become a frame. */
  #translates = false
  #over = false

  constructor(x: Exchange, events: AttemptEvents, upstream: Upstream) {
    this.exchange = x
    this.#events = events
    this.#base64 = x.rpc === RPC_WEB_TEXT ? new Base64Reader() : undefined
    this.#inner = upstream.attempt(x, this)
  }

  // === the request ===

  get ready(): boolean {
    return this.#inner.ready
  }

  get bytesSent(): number {
    return this.#inner.bytesSent
  }

  get reused(): boolean {
    return this.#inner.reused
  }

  get facts(): ConnectionFacts | undefined {
    return this.#inner.facts
  }

  get refusable(): boolean {
    return this.#inner.refusable ?? false
  }

  get outdated(): boolean {
    return this.#inner.outdated ?? false
  }

  begin(): void {
    const { request } = this.exchange
    if (this.#base64 === undefined || request.bodyLength <= 0) {
      this.#inner.begin()
      return
    }
    // What is sent is shorter than what comes; the codec of the client's side goes on counting what comes.
    const stated = request.bodyLength
    request.bodyLength = CHUNKED
    this.#inner.begin()
    request.bodyLength = stated
  }

  data(buf: Buffer, start: number, end: number): boolean {
    if (this.#base64 === undefined) return this.#inner.data(buf, start, end)
    const bytes = this.#base64.read(buf, start, end)
    if (bytes === undefined) return this.#badBase64()
    return bytes.length === 0 || this.#inner.data(bytes, 0, bytes.length)
  }

  end(trailers: HeaderBlock | undefined): void {
    if (this.#base64?.whole === false) this.#badBase64()
    else this.#inner.end(trailers)
  }

  #badBase64(): boolean {
    if (this.#over) return true
    this.cancel()
    this.#events.onAttemptError(this, new ProxyError('bad_grpc_web', 'send', 'the body is not base64'))
    return true
  }

  flush(): void {
    this.#inner.flush()
  }

  pauseResponse(): void {
    this.#inner.pauseResponse()
  }

  resumeResponse(): void {
    this.#inner.resumeResponse()
  }

  cancel(): void {
    this.#over = true
    this.#inner.cancel()
  }

  // === the response ===

  onAttemptReady(): void {
    this.#events.onAttemptReady(this)
  }

  onAttemptInformational(_inner: Attempt, head: ResponseHead): void {
    this.#events.onAttemptInformational(this, head)
  }

  onAttemptHead(_inner: Attempt, head: ResponseHead): void {
    const type = head.headers.get('content-type') ?? ''
    if (rpcKindOf(type) === RPC_GRPC) {
      const text = this.#base64 === undefined ? '' : '-text'
      head.headers.set('content-type', `application/grpc-web${text}+${rpcFormat(type)}`)
      head.headers.delete('trailer')
      // A head that is all has the status, and nothing follows.
      this.#translates = head.bodyLength !== 0
      if (this.#translates) head.bodyLength = CHUNKED
    }
    this.#events.onAttemptHead(this, head)
  }

  onAttemptData(_inner: Attempt, buf: Buffer, start: number, end: number): void {
    this.#give(buf, start, end)
  }

  #give(buf: Buffer, start: number, end: number): void {
    if (this.#base64 === undefined || !this.#translates) {
      this.#events.onAttemptData(this, buf, start, end)
      return
    }
    const text = base64Piece(buf, start, end)
    this.#events.onAttemptData(this, text, 0, text.length)
  }

  onAttemptEnd(_inner: Attempt, trailers: HeaderBlock | undefined): void {
    this.#over = true
    const x = this.exchange
    x.grpcStatus = grpcStatusIn(x, trailers)
    if (this.#translates && trailers !== undefined) {
      const frame = trailersFrame(trailers)
      this.#give(frame, 0, frame.length)
    }
    this.#events.onAttemptEnd(this, undefined)
  }

  onAttemptUpgrade(_inner: Attempt, head: ResponseHead, end: TunnelEnd): void {
    this.#over = true
    this.#events.onAttemptUpgrade(this, head, end)
  }

  onAttemptError(_inner: Attempt, error: ProxyError): void {
    this.#over = true
    this.#events.onAttemptError(this, error)
  }

  onAttemptDrain(): void {
    this.#events.onAttemptDrain(this)
  }

  onAttemptFlush(): void {
    this.#events.onAttemptFlush(this)
  }
}

/** Trailers as the last frame of a body: `name: value` lines behind a header whose first bit is set. */
function trailersFrame(trailers: HeaderBlock): Buffer {
  let text = ''
  for (const [name, value] of trailers.entries()) text += `${name.toLowerCase()}: ${value}\r\n`
  const frame = Buffer.allocUnsafe(FRAME_HEADER + text.length)
  frame[0] = TRAILERS
  frame.writeUInt32BE(text.length, 1)
  frame.write(text, FRAME_HEADER, 'latin1')
  return frame
}
