/** The server on 16686: the page, the query API (answered by the store thread) and the live tail. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from '../../core/listen.ts'
import type { Bound } from '../receive/tls-options.ts'
import type { ApiRequest, ApiResponse } from '../store/protocol.ts'
import type { LiveTail } from './live-tail.ts'

export interface QueryServerOptions {
  readonly host: string
  readonly port: number
  readonly api: (request: ApiRequest) => Promise<ApiResponse>
  readonly tail: LiveTail
  /** Answers by another process; false where it is to be answered here. */
  readonly forward?: ((req: IncomingMessage, res: ServerResponse) => Promise<boolean>) | undefined
  /** Answers with a file of the page; false where there is none at the path. */
  readonly page: (req: IncomingMessage, res: ServerResponse, path: string) => boolean
}

/** Host headers of a server that listens for its own machine alone. */
export const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i
const MAX_URL = 16_384
const LIVE = '/api/hopscope/live'

export async function startQueryServer(options: QueryServerOptions): Promise<Bound> {
  const limits = { requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 30_000, maxHeaderSize: 32_768 }
  const server = createServer(limits, (req, res) => {
    serve(req, res, options, isLoopback).catch(() => res.destroy())
  })
  server.maxConnections = 512
  const bound = await listen(server, options.host, options.port)
  const isLoopback = /^(127\.|::1$)/.test(bound.host)
  return {
    ...bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(
  req: IncomingMessage,
  res: ServerResponse,
  { api, tail, page, forward }: QueryServerOptions,
  loopbackOnly: boolean,
): Promise<void> {
  // A page of any site can have its name resolve to 127.0.0.1 and read answers then; it cannot choose the Host header.
  if (loopbackOnly && !LOOPBACK.test(req.headers.host ?? '')) return send(req, res, error(403, 'not by this name'))
  if (req.method !== 'GET' && req.method !== 'HEAD') return send(req, res, error(405, 'GET only'))
  const url = req.url ?? '/'
  if (url.length > MAX_URL) return send(req, res, error(414, 'the address is too long'))
  const path = url.split('?')[0]!
  if (path === LIVE) {
    if (!tail.open(res)) send(req, res, error(503, 'too many readers of the live tail'))
    return
  }
  if (path.startsWith('/api/')) {
    if ((await forward?.(req, res)) === true) return
    return send(req, res, await api({ method: req.method, url }))
  }
  if (!page(req, res, path)) send(req, res, error(404, `nothing is at ${path}`))
}

function error(status: number, message: string): ApiResponse {
  return { status, contentType: 'application/json', body: JSON.stringify({ error: message }) }
}

function send(req: IncomingMessage, res: ServerResponse, { status, contentType, body, missing }: ApiResponse): void {
  if (res.destroyed) return
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  res.writeHead(status, {
    'content-type': contentType === 'application/json' ? 'application/json; charset=utf-8' : contentType,
    'content-length': length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // Jaeger's answers have no place for it.
    ...(missing === undefined ? {} : { 'hopscope-missing': missing.join(', ') }),
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}
