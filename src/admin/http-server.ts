/** A small HTTP server for control: fixed routes, short answers, tight limits. Never on the data path. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from '../core/listen.ts'

export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export type Handler = (request: ControlRequest) => Reply | Promise<Reply>

export interface ControlRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A listening server. */
export interface ControlServer {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

const MAX_BODY_BYTES = 4096
const MAX_CONNECTIONS = 64
/** The answers hold data of this machine; no browser should keep or guess at them. */
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

export const json = (status: number, value: unknown): Reply => ({
  status,
  contentType: 'application/json',
  body: `${JSON.stringify(value, null, 2)}\n`,
})

/** Listen; rejects where the address cannot be had. Connections beyond `maxConnections` are closed at once. */
export async function startServer(
  host: string,
  port: number,
  handler: Handler,
  maxConnections = MAX_CONNECTIONS,
): Promise<ControlServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 5000 }, (req, res) => {
    void serve(req, res, handler)
  })
  server.maxConnections = maxConnections
  return {
    ...(await listen(server, host, port)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(req: IncomingMessage, res: ServerResponse, handler: Handler): Promise<void> {
  let reply: Reply
  try {
    const url = new URL(req.url ?? '/', 'http://admin')
    const body = await readBody(req)
    reply =
      body === undefined
        ? json(413, { error: 'the body is too large' })
        : await handler({ method: req.method ?? '', url, headers: req.headers, body })
  } catch (error) {
    reply = json(500, { error: error instanceof Error ? error.message : String(error) })
  }
  if (res.destroyed) return
  res.writeHead(reply.status, { ...HEADERS, 'content-type': reply.contentType })
  res.end(req.method === 'HEAD' ? undefined : reply.body)
}

async function readBody(req: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
