/**
 * OTLP/gRPC: TraceService/Export as a unary call over HTTP/2 (grpc.io, PROTOCOL-HTTP2). On node:http2 itself rather than
 * on a gRPC library: bytes of half-received requests have to count against one bound, and a refused request should not
 * be read to its end.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { listen } from '../../core/listen.ts'
import { WATCH_PATH } from '../../core/recorder-protocol.ts'
import { exportResponse, type Failure, failureTrailers, INVALID_ARGUMENT, UNIMPLEMENTED } from './grpc-status.ts'
import { type Answer, isFailure, MAX_REQUEST_BYTES, type Receiver, tooLarge } from './receiver.ts'
import { type Bound, type ListenerTls, tlsOptions } from './tls-options.ts'

export interface GrpcServerOptions {
  readonly host: string
  readonly port: number
  readonly receiver: Receiver
  readonly tls?: ListenerTls | undefined
  /** Age at which a connection is told to go, ± a tenth, so that senders spread anew; 0: never. */
  readonly maxConnectionAgeMs: number
  readonly maxConnections?: number
  /** Who tells which traces are wanted. */
  readonly watch?: (stream: ServerHttp2Stream) => void
}

const PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const PREFIX_BYTES = 5
const WINDOW_BYTES = 1024 * 1024
/** How long a connection told to go may finish its calls. */
const GRACE_MS = 10_000
/** How long a refused request may still be sent. */
const CUT_OFF_MS = 5000
/** A request that is not whole by then is dropped. */
const REQUEST_MS = 30_000

export async function startGrpcServer(options: GrpcServerOptions): Promise<Bound> {
  const settings = { maxConcurrentStreams: 64, initialWindowSize: WINDOW_BYTES, maxHeaderListSize: 16_384 }
  const http2 = { settings, maxSessionMemory: 32, peerMaxConcurrentStreams: 64 }
  const server: Http2Server | Http2SecureServer =
    options.tls === undefined
      ? createServer(http2)
      : createSecureServer({ ...http2, ...tlsOptions(options.tls), allowHTTP1: false })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session: ServerHttp2Session) => {
    if (sessions.size >= (options.maxConnections ?? 4096)) {
      session.destroy()
      return
    }
    sessions.add(session)
    session.setLocalWindowSize(4 * WINDOW_BYTES)
    session.on('error', () => {})
    const age = ageTimer(session, options.maxConnectionAgeMs)
    session.once('close', () => {
      clearTimeout(age)
      sessions.delete(session)
    })
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {})
    new Call(stream, options).begin(headers)
  })
  // A client that speaks no HTTP/2, or a handshake that fails: the connection ends, nobody else is concerned.
  server.on('sessionError', () => {})
  return {
    ...(await listen(server, options.host, options.port)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const session of sessions) session.close()
        setTimeout(() => {
          for (const session of sessions) session.destroy()
        }, 1000).unref()
      }),
  }
}

function ageTimer(session: ServerHttp2Session, ageMs: number): NodeJS.Timeout | undefined {
  if (ageMs === 0) return undefined
  const spread = ageMs * (0.9 + Math.random() * 0.2)
  return setTimeout(() => {
    // GOAWAY and then the end, once its calls are answered.
    session.close()
    setTimeout(() => session.destroy(), GRACE_MS).unref()
  }, spread).unref()
}

/** One call: collect the message under the bounds, hand it on, answer. */
class Call {
  readonly #stream: ServerHttp2Stream
  readonly #receiver: Receiver
  readonly #watch: GrpcServerOptions['watch']
  readonly #parts: Buffer[] = []
  #length = 0
  #gzip = false
  #over = false

  constructor(stream: ServerHttp2Stream, { receiver, watch }: GrpcServerOptions) {
    this.#stream = stream
    this.#receiver = receiver
    this.#watch = watch
  }

  begin(headers: IncomingHttpHeaders): void {
    const stream = this.#stream
    const type = headers['content-type'] ?? ''
    if (headers[':method'] !== 'POST' || !/^application\/grpc(\+proto)?(;|$)/.test(type)) {
      stream.respond({ ':status': 415 }, { endStream: true })
      stream.close()
      return
    }
    const watch = headers[':path'] === WATCH_PATH ? this.#watch : undefined
    if (headers[':path'] !== PATH && watch === undefined) {
      this.#fail({ code: UNIMPLEMENTED, message: `only ${PATH}` })
      return
    }
    const encoding = headers['grpc-encoding'] ?? 'identity'
    if (encoding !== 'identity' && encoding !== 'gzip') {
      this.#fail({ code: UNIMPLEMENTED, message: `grpc-encoding ${encoding}: identity and gzip are taken` })
      return
    }
    this.#gzip = encoding === 'gzip'
    const refused = this.#receiver.admit(headers.authorization)
    if (refused !== undefined) {
      this.#fail(refused)
      return
    }
    if (watch !== undefined) {
      watch(stream)
      return
    }
    stream.setTimeout(REQUEST_MS, () => stream.close(constants.NGHTTP2_CANCEL))
    stream.on('data', (chunk: Buffer) => this.#data(chunk))
    stream.on('end', () => void this.#end())
    stream.on('close', () => this.#release())
  }

  #data(chunk: Buffer): void {
    if (this.#over) return
    this.#parts.push(chunk)
    this.#length += chunk.length
    this.#receiver.hold(chunk.length)
    const failure = this.#length > MAX_REQUEST_BYTES + PREFIX_BYTES ? tooLarge() : this.#receiver.full
    if (failure !== undefined) this.#fail(failure)
  }

  async #end(): Promise<void> {
    if (this.#over) return
    const parts = this.#parts
    // The prefix is in one piece, but for a client that wants to know.
    if (parts.length > 1 && parts[0]!.length < PREFIX_BYTES) parts.splice(0, parts.length, Buffer.concat(parts))
    const first = parts[0] ?? Buffer.alloc(0)
    const fault = prefixFault(first, this.#length)
    if (fault !== undefined) {
      this.#fail(fault)
      return
    }
    const packed = first[0] === 1
    if (packed && !this.#gzip) {
      this.#fail({ code: INVALID_ARGUMENT, message: 'compressed without grpc-encoding' })
      return
    }
    parts[0] = first.subarray(PREFIX_BYTES)
    const answer = packed ? await this.#receiver.take(Buffer.concat(parts), true) : await this.#receiver.accept(parts)
    this.#release()
    this.#answer(answer)
  }

  #answer(answer: Answer): void {
    const stream = this.#stream
    if (isFailure(answer)) {
      this.#fail(answer)
      return
    }
    if (stream.destroyed || this.#over) return
    this.#over = true
    const body = exportResponse(answer.rejected)
    const message = Buffer.alloc(PREFIX_BYTES + body.length)
    message.writeUInt32BE(body.length, 1)
    body.copy(message, PREFIX_BYTES)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(message)
  }

  /** An answer of headers alone. What still comes of the request is thrown away, and soon cut off. */
  #fail(failure: Failure): void {
    const stream = this.#stream
    this.#release()
    if (stream.destroyed || this.#over) return
    this.#over = true
    const headers = { ':status': 200, 'content-type': 'application/grpc+proto', ...failureTrailers(failure) }
    stream.respond(headers, { endStream: true })
    if (stream.readableEnded) return
    stream.resume()
    // Not at once: a reset overtakes headers that are still waiting to be written, and the sender would not learn why.
    setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), CUT_OFF_MS).unref()
  }

  #release(): void {
    this.#receiver.hold(-this.#length)
    this.#length = 0
    this.#parts.length = 0
  }
}

function prefixFault(first: Buffer, bytes: number): Failure | undefined {
  const length = first.length < PREFIX_BYTES ? -1 : first.readUInt32BE(1)
  if (length >= 0 && length === bytes - PREFIX_BYTES && first[0]! <= 1) return undefined
  const message = `not one gRPC message: ${bytes} bytes, of which the prefix claims ${length}`
  return { code: INVALID_ARGUMENT, message }
}
