/** Where other replicas ask this one. All that is answered here is this replica's own, so that nothing goes in circles. */
import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { listen } from '../../core/listen.ts'
import { readTraces } from '../../core/recorder-protocol.ts'
import { LOOPBACK } from '../query/http-server.ts'
import type { LiveTail } from '../query/live-tail.ts'
import { type Bound, type ListenerTls, tlsOptions } from '../receive/tls-options.ts'
import type { ApiResponse } from '../store/protocol.ts'
import { ASK_PATH, HELLO_PATH, type Hello, LIVE_PATH, WANTED_PATH } from './wire.ts'

export interface ReplicaServerOptions {
  readonly host: string
  readonly port: number
  readonly token: string | undefined
  readonly tls: ListenerTls | undefined
  readonly hello: () => Hello
  /** Another replica's question, as text. */
  readonly ask: (question: string) => Promise<ApiResponse>
  /** Proxies of another replica want these traces. */
  readonly wanted: (traceIds: readonly string[]) => void
  /** A query of a user that another replica forwarded, by path and query. */
  readonly query: (url: string) => Promise<ApiResponse>
  /** Traces of this replica alone. */
  readonly tail: LiveTail
}

const MAX_QUESTION_BYTES = 1024 * 1024

export async function startReplicaServer(options: ReplicaServerOptions): Promise<Bound> {
  const limits = { requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 60_000, maxHeaderSize: 32_768 }
  const serving: RequestListener = (req, res) => {
    serve(req, res, options).catch(() => res.destroy())
  }
  const server =
    options.tls === undefined
      ? createServer(limits, serving)
      : createTlsServer({ ...limits, ...tlsOptions(options.tls) }, serving)
  server.maxConnections = 512
  return {
    ...(await listen(server, options.host, options.port)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(req: IncomingMessage, res: ServerResponse, options: ReplicaServerOptions): Promise<void> {
  // As for the page: a name that some site lets resolve to us.
  const isOurs = !/^(127\.|::1$)/.test(req.socket.localAddress ?? '') || LOOPBACK.test(req.headers.host ?? '')
  if (options.token === undefined && !isOurs) return text(res, 403, 'not by this name')
  // Any page can have a browser POST to 127.0.0.1. Browsers say where that came from; replicas send neither.
  const { origin, 'sec-fetch-site': site } = req.headers
  if (origin !== undefined || site !== undefined) return text(res, 403, 'not from a page')
  if (!isLetIn(req, options.token)) return text(res, 401, 'a token is needed: aggregator.replicaToken')
  const url = req.url ?? '/'
  if (req.method === 'POST' && url === ASK_PATH) {
    const question = await bodyOf(req)
    return question === undefined ? text(res, 413, 'too large') : send(res, await options.ask(question))
  }
  if (req.method === 'POST' && url === WANTED_PATH) {
    const traceIds = readTraces(Buffer.from((await bodyOf(req)) ?? 'too large', 'hex'))
    if (traceIds === undefined) return text(res, 400, 'not a list of traces')
    options.wanted(traceIds)
    return text(res, 200, '')
  }
  if (req.method !== 'GET') return text(res, 405, 'not so')
  if (url === HELLO_PATH) {
    return send(res, { status: 200, contentType: 'application/json', body: JSON.stringify(options.hello()) })
  }
  if (url === LIVE_PATH) return options.tail.open(res) ? undefined : text(res, 503, 'too many readers')
  if (url.startsWith('/api/')) {
    res.setHeader('hopscope-replica', options.hello().id)
    return send(res, await options.query(url))
  }
  return text(res, 404, 'nothing is here')
}

function isLetIn({ headers: { authorization } }: IncomingMessage, token: string | undefined): boolean {
  if (token === undefined) return true
  const [given, wanted] = [Buffer.from(authorization ?? ''), Buffer.from(`Bearer ${token}`)]
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

async function bodyOf(req: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of req as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_QUESTION_BYTES) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function text(res: ServerResponse, status: number, body: string): void {
  send(res, { status, contentType: 'text/plain', body })
}

function send(res: ServerResponse, { status, contentType, body, missing }: ApiResponse): void {
  if (res.destroyed) return
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  res.writeHead(status, {
    ...{ 'content-type': contentType, 'content-length': length, 'cache-control': 'no-store' },
    ...(missing === undefined ? {} : { 'hopscope-missing': missing.join(', ') }),
  })
  res.end(body)
}
