/** The webhook's HTTPS server: reviews, and its own health. TLS 1.3 alone; the certificate can be changed while it runs. */
import { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { listen } from '../core/listen.ts'
import type { Logger } from '../core/log.ts'
import type { InjectorMetrics } from './metrics.ts'
import type { InjectionOptions } from './options.ts'
import { BadReview, type Outcome, review } from './review.ts'

/** PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface WebhookOptions {
  readonly host: string
  readonly port: number
  readonly certificate: Certificate
  readonly maxBodyBytes: number
  /** Asked for each review: what is known of the cluster changes. */
  readonly injection: () => InjectionOptions
  readonly metrics: InjectorMetrics
  readonly log: Logger
  readonly onOutcome: (outcome: Outcome) => void
}

export interface Webhook {
  readonly host: string
  readonly port: number
  /** Throws where certificate and key do not fit; the old one stays then. */
  setCertificate(certificate: Certificate): void
  /** Not ready any more, so that no new reviews are sent here; those that come are answered. */
  startDraining(): void
  close(): Promise<void>
}

/** Paths to which reviews come, and whether the namespace of their pods asks for injection. */
const PATHS: Readonly<Record<string, boolean>> = { '/inject/namespace': true, '/inject/pod': false }
const MAX_CONNECTIONS = 256
const MAX_UNDER_WAY_BYTES = 64 * 1024 * 1024

interface Reply {
  readonly status: number
  readonly body: object
}

/** Resolves when it listens; rejects where the address cannot be had or the certificate is none. */
export async function startWebhook(options: WebhookOptions): Promise<Webhook> {
  const { metrics } = options
  let draining = false
  const room = { bytes: 0 }
  const server = createServer(
    {
      ...options.certificate,
      minVersion: 'TLSv1.3',
      requestTimeout: 15_000,
      headersTimeout: 5000,
      keepAliveTimeout: 120_000,
    },
    (request, response) => {
      void serve(request, options, room, () => draining).then((reply) => send(response, reply, draining))
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  metrics.certificate('loaded', expirySeconds(options.certificate))
  return {
    ...(await listen(server, options.host, options.port)),
    setCertificate(certificate) {
      server.setSecureContext({ ...certificate, minVersion: 'TLSv1.3' })
      metrics.certificate('loaded', expirySeconds(certificate))
    },
    startDraining() {
      draining = true
    },
    close: () =>
      new Promise((resolve) => {
        draining = true
        const force = setTimeout(() => server.closeAllConnections(), 5000)
        server.close(() => {
          clearTimeout(force)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

const expirySeconds = ({ cert }: Certificate): number => Date.parse(new X509Certificate(cert).validTo) / 1000

function send(response: ServerResponse, { status, body }: Reply, closing: boolean): void {
  if (response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...((closing || status === 413) && { connection: 'close' }),
  })
  response.end(text)
}

async function serve(
  request: IncomingMessage,
  options: WebhookOptions,
  room: { bytes: number },
  draining: () => boolean,
): Promise<Reply> {
  const path = (request.url ?? '/').split('?', 1)[0]!
  if (path === '/live') return { status: 200, body: { live: true } }
  if (path === '/ready') return { status: draining() ? 503 : 200, body: { ready: !draining() } }
  const reply = Object.hasOwn(PATHS, path)
    ? await reviewed(request, PATHS[path]!, options, room)
    : fault(404, 'no such path')
  if (reply.status !== 200) options.metrics.refused(reply.status)
  return reply
}

const fault = (status: number, error: string): Reply => ({ status, body: { error } })

async function reviewed(
  request: IncomingMessage,
  asked: boolean,
  options: WebhookOptions,
  room: { bytes: number },
): Promise<Reply> {
  if (request.method !== 'POST') return fault(405, 'POST only')
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return fault(415, 'application/json only')
  const read = await readBody(request, options.maxBodyBytes, room)
  if (typeof read === 'number')
    return fault(read, read === 413 ? 'the review is too large' : 'too many reviews at once')
  const started = performance.now()
  try {
    const { answer, outcome } = review(JSON.parse(read), asked, options.injection())
    options.metrics.reviewed(outcome, (performance.now() - started) / 1000)
    options.onOutcome(outcome)
    return { status: 200, body: answer }
  } catch (error) {
    if (error instanceof BadReview) return fault(400, error.message)
    if (error instanceof SyntaxError) return fault(400, 'the body is not JSON')
    options.log.error({ err: error }, 'a fault of ours in a review')
    return fault(500, 'a fault of the injector')
  }
}

/** The body, or the status to refuse it with. All bodies together are bounded as well as each. */
async function readBody(request: IncomingMessage, most: number, room: { bytes: number }): Promise<string | number> {
  // Said in advance, it can be refused while the connection still carries an answer.
  if (Number(request.headers['content-length'] ?? 0) > most) return 413
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length
      room.bytes += chunk.length
      if (length > most) return 413
      if (room.bytes > MAX_UNDER_WAY_BYTES) return 503
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } catch {
    return 400 // it broke off; nobody is there to read this
  } finally {
    room.bytes -= length
  }
}
