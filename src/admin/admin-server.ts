/** The admin server: health, configuration, recent exchanges, drain and quit. Meant for loopback. */
import { isLogLevel, LOG_LEVELS, type LogLevel } from '../core/log.ts'
import type { RecorderQuery } from '../telemetry/flight-recorder.ts'
import { type ControlRequest, type ControlServer, json, type Reply, startServer } from './http-server.ts'
import { isAllowedHost, isOfOtherSite } from './loopback.ts'

export interface Readiness {
  readonly ready: boolean
  /** Why not, for people. */
  readonly reason?: string
}

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** Host names to answer to beside those of loopback, lower case and without port. */
  readonly allowedHosts?: readonly string[]
  readonly readiness: () => Readiness
  /** The effective configuration, secrets masked already. */
  readonly config: () => unknown
  readonly exchanges: (query: RecorderQuery) => unknown | Promise<unknown>
  /** Counts of requests with an Idempotency-Key and of their records; never keys. */
  readonly idempotency: () => unknown | Promise<unknown>
  /** Share of new traces that is kept, and why; absent: 404. */
  readonly sampling?: () => unknown | Promise<unknown>
  /** Fail readiness and let connections run out; further calls change nothing. */
  readonly drain: () => void
  /** End the process in good order. The answer is sent first. */
  readonly quit: () => void
  readonly logLevel: () => LogLevel
  readonly setLogLevel: (level: LogLevel) => void
}

type Route = (options: AdminOptions, request: ControlRequest) => Reply | Promise<Reply>

/** By method and path. Whatever changes something is POST only: a link or an image must not do it. */
const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/live': { GET: () => json(200, { live: true }) },
  '/ready': {
    GET: (options) => {
      const readiness = options.readiness()
      return json(readiness.ready ? 200 : 503, readiness)
    },
  },
  '/config': { GET: (options) => json(200, options.config()) },
  '/exchanges': { GET: (options, request) => exchanges(options, request) },
  '/idempotency': { GET: async (options) => json(200, await options.idempotency()) },
  '/sampling': {
    GET: async ({ sampling }) =>
      sampling === undefined ? json(404, { error: 'nothing is sampled here' }) : json(200, await sampling()),
  },
  '/drain': {
    POST: (options) => {
      options.drain()
      return json(202, { draining: true })
    },
  },
  '/quit': {
    POST: (options) => {
      setImmediate(options.quit)
      return json(202, { quitting: true })
    },
  },
  '/log-level': {
    GET: (options) => json(200, { level: options.logLevel() }),
    POST: (options, request) => setLevel(options, request),
  },
}

async function exchanges(options: AdminOptions, { url }: ControlRequest): Promise<Reply> {
  const limit = url.searchParams.get('limit') ?? '100'
  if (!/^\d{1,4}$/.test(limit)) return json(400, { error: 'limit is a number up to 1000' })
  const id = url.searchParams.get('id')
  const failed = url.searchParams.has('failed') && url.searchParams.get('failed') !== 'false'
  return json(200, await options.exchanges({ limit: Number(limit), failed, ...(id !== null && { id }) }))
}

/** The level is the body, or `?level=`. */
function setLevel(options: AdminOptions, { url, body }: ControlRequest): Reply {
  const level = url.searchParams.get('level') ?? body.trim()
  if (!isLogLevel(level)) return json(400, { error: `level is one of ${LOG_LEVELS.join(', ')}` })
  options.setLogLevel(level)
  return json(200, { level })
}

/** Start it. Rejects where the address cannot be had. */
export function startAdmin(options: AdminOptions): Promise<ControlServer> {
  const more = new Set(options.allowedHosts ?? [])
  return startServer(options.host, options.port, (request) => {
    const { method, headers, url } = request
    if (!isAllowedHost(headers.host, more)) return json(421, { error: 'this Host is not served here' })
    if (method !== 'GET' && method !== 'HEAD' && isOfOtherSite(headers)) {
      return json(403, { error: 'not from a page of another site' })
    }
    const path = Object.hasOwn(ROUTES, url.pathname) ? ROUTES[url.pathname] : undefined
    if (path === undefined) return json(404, { error: 'no such path', paths: Object.keys(ROUTES) })
    const route = path[method === 'HEAD' ? 'GET' : method]
    if (route === undefined) return json(405, { error: 'method not allowed', methods: Object.keys(path) })
    return route(options, request)
  })
}
