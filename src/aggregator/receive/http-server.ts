/** OTLP/HTTP: POST /v1/traces with protobuf or JSON (opentelemetry.io/docs/specs/otlp §OTLP/HTTP). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { listen } from '../../core/listen.ts'
import {
  exportResponse,
  type Failure,
  INVALID_ARGUMENT,
  REJECTED,
  RESOURCE_EXHAUSTED,
  statusMessage,
  UNAUTHENTICATED,
  UNAVAILABLE,
} from './grpc-status.ts'
import { JsonFault, protobufOfJson } from './otlp-json.ts'
import { type Answer, isFailure, MAX_REQUEST_BYTES, type Receiver, tooLarge } from './receiver.ts'
import { type Bound, type ListenerTls, tlsOptions } from './tls-options.ts'

export interface HttpServerOptions {
  readonly host: string
  readonly port: number
  readonly receiver: Receiver
  readonly tls?: ListenerTls | undefined
}

type Kind = 'application/x-protobuf' | 'application/json'

export async function startHttpServer({ host, port, receiver, tls }: HttpServerOptions): Promise<Bound> {
  const limits = { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 60_000, maxHeaderSize: 16_384 }
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    handle(req, res, receiver).catch(() => res.destroy())
  }
  const server: Server =
    tls === undefined ? createServer(limits, serve) : createTlsServer({ ...limits, ...tlsOptions(tls) }, serve)
  server.maxConnections = 4096
  return {
    ...(await listen(server, host, port)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), 1000).unref()
      }),
  }
}

async function handle(req: IncomingMessage, res: ServerResponse, receiver: Receiver): Promise<void> {
  const kind = kindOf(req.headers['content-type'])
  const path = (req.url ?? '').split('?')[0]
  if (path !== '/v1/traces') return refuse(res, 404, 'spans are taken at /v1/traces', kind)
  if (req.method !== 'POST') return refuse(res, 405, 'POST only', kind, { allow: 'POST' })
  if (kind === undefined) return refuse(res, 415, 'application/x-protobuf or application/json', kind)
  const encoding = req.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip') return refuse(res, 415, 'content-encoding gzip or none', kind)
  const refused = receiver.admit(req.headers.authorization)
  if (refused !== undefined) return answer(res, refused, kind)
  const body = await bodyOf(req, receiver)
  if (body === undefined) return
  if (!Buffer.isBuffer(body)) return answer(res, body, kind)
  try {
    answer(res, await take(body, encoding === 'gzip', kind, receiver), kind)
  } finally {
    receiver.hold(-body.length)
  }
}

async function take(body: Buffer, gzip: boolean, kind: Kind, receiver: Receiver): Promise<Answer> {
  if (kind === 'application/x-protobuf') return receiver.take(body, gzip)
  const json = gzip ? await receiver.unpack(body) : body
  if (!Buffer.isBuffer(json)) return json
  const request = protobufOfJson(json)
  if (request instanceof JsonFault) {
    const where = request.path === '' ? 'the body' : request.path
    return {
      code: INVALID_ARGUMENT,
      message: `not an ExportTraceServiceRequest: ${where} should be ${request.expected}`,
    }
  }
  return receiver.accept([request])
}

function kindOf(type: string | undefined): Kind | undefined {
  const name = type?.split(';')[0]?.trim().toLowerCase()
  return name === 'application/x-protobuf' || name === 'application/json' ? name : undefined
}

/** The body, counted as held; a failure, or undefined where the client went away. */
async function bodyOf(req: IncomingMessage, receiver: Receiver): Promise<Buffer | Failure | undefined> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of req as AsyncIterable<Buffer>) {
      parts.push(part)
      length += part.length
      receiver.hold(part.length)
      const failure = length > MAX_REQUEST_BYTES ? tooLarge() : receiver.full
      if (failure !== undefined) {
        receiver.hold(-length)
        return failure
      }
    }
  } catch {
    receiver.hold(-length)
    return undefined
  }
  return Buffer.concat(parts, length)
}

/** HTTP status of a failure: 429 and 503 may be tried again, the others may not. */
function statusOf({ code, retryMs }: Failure): number {
  if (code === INVALID_ARGUMENT) return 400
  if (code === UNAUTHENTICATED) return 401
  if (code === RESOURCE_EXHAUSTED) return retryMs === undefined ? 413 : 429
  return code === UNAVAILABLE ? 503 : 500
}

function answer(res: ServerResponse, answer: Answer, kind: Kind): void {
  if (isFailure(answer)) {
    const headers: Record<string, string> = { 'content-type': kind }
    if (answer.retryMs !== undefined) headers['retry-after'] = String(Math.ceil(answer.retryMs / 1000))
    if (answer.code === UNAUTHENTICATED) headers['www-authenticate'] = 'Bearer'
    // What still comes of the request is not read.
    if (!res.req.readableEnded) headers.connection = 'close'
    res.writeHead(statusOf(answer), headers)
    const { code, message } = answer
    res.end(kind === 'application/json' ? JSON.stringify({ code, message }) : statusMessage(answer))
    return
  }
  res.writeHead(200, { 'content-type': kind })
  if (kind === 'application/x-protobuf') res.end(exportResponse(answer.rejected))
  else if (answer.rejected === 0) res.end('{}')
  else res.end(JSON.stringify({ partialSuccess: { rejectedSpans: String(answer.rejected), errorMessage: REJECTED } }))
}

function refuse(
  res: ServerResponse,
  status: number,
  message: string,
  kind: Kind | undefined,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, { ...headers, 'content-type': kind ?? 'application/json', connection: 'close' })
  res.end(
    kind === 'application/x-protobuf'
      ? statusMessage({ code: INVALID_ARGUMENT, message })
      : JSON.stringify({ code: INVALID_ARGUMENT, message }),
  )
}
