/** A trace is asked of the replica that owns it: its spans are there, and only the finished answer travels. */
import type { ClientRequest, IncomingMessage, RequestOptions, ServerResponse } from 'node:http'
import http2Proxy from 'http2-proxy'
import type { ReplicaClient } from './client.ts'
import type { Roster } from './roster.ts'

interface Forwarding {
  readonly onReq: (req: IncomingMessage, options: RequestOptions) => ClientRequest
}

/** Resolves when the answer was passed on, rejects where there was none. The package's own types know no default export. */
type Web = (req: IncomingMessage, res: ServerResponse, options: Forwarding) => Promise<void>
const { web } = http2Proxy as unknown as { readonly web: Web }

const OF_ONE_TRACE = /^\/api\/(?:hopscope\/trace|traces|v3\/traces)\/([0-9a-fA-F]{1,32})(?:\/|$)/

export interface ForwarderOptions {
  readonly roster: Roster
  readonly client: ReplicaClient
  readonly timeoutMs: number
}

/**
 * True: the request was answered by the owner of the trace that it is about. False: nothing was said yet, and it is to be
 * answered here; every replica can, by asking all others.
 */
export async function forwarded(
  req: IncomingMessage,
  res: ServerResponse,
  { roster, client, timeoutMs }: ForwarderOptions,
): Promise<boolean> {
  if (req.method !== 'GET') return false
  const id = OF_ONE_TRACE.exec((req.url ?? '').split('?')[0]!)?.[1]
  const owner = id === undefined ? undefined : roster.ownerOf(id.toLowerCase().padStart(32, '0'))
  if (owner === undefined) return false
  const onReq = (_: IncomingMessage, { method, path, headers }: RequestOptions): ClientRequest => {
    // What a browser shows us is not for other replicas.
    const { cookie, authorization, ...rest } = (headers ?? {}) as Record<string, string>
    return client.request(owner, { method: method ?? 'GET', path: path ?? '/', headers: rest, timeoutMs })
  }
  try {
    await web(req, res, { onReq })
    return true
  } catch {
    if (res.headersSent) {
      res.destroy()
      return true
    }
    if (!res.destroyed) roster.away(owner)
    return res.destroyed
  }
}
