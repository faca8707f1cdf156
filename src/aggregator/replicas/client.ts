/** Connections to other replicas: kept alive, by TLS where replicas speak it, with the token that they share. */
import { Agent, type ClientRequest, type OutgoingHttpHeaders, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import type { Member } from '../../core/members.ts'

/** How replicas know each other. PEM fields hold texts. */
export interface ReplicaSecurity {
  readonly token?: string | undefined
  /** Present: replicas speak TLS, and show this certificate to each other. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string | undefined } | undefined
}

export interface Asked {
  readonly method?: string
  /** Path and query. */
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  /** Bounds connecting and silences. */
  readonly timeoutMs: number
}

const MAX_SOCKETS = 32

export class ReplicaClient {
  readonly #security: ReplicaSecurity
  readonly #agent: Agent

  constructor(security: ReplicaSecurity) {
    this.#security = security
    const sockets = { keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: 4, timeout: 30_000 }
    const { tls } = security
    this.#agent = tls === undefined ? new Agent(sockets) : new TlsAgent({ ...sockets, ...withoutUndefined(tls) })
  }

  /** A request that is still to be ended. Its `timeout` event ends it as an error. */
  request({ host, port, serverName }: Member, { method = 'GET', path, headers, timeoutMs }: Asked): ClientRequest {
    const { token, tls } = this.#security
    const shown = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const options = {
      ...{ host, port, method, path, agent: this.#agent, timeout: timeoutMs },
      headers: { ...headers, ...shown },
    }
    const made = tls === undefined ? request(options) : tlsRequest({ ...options, servername: nameOf(serverName) })
    made.once('timeout', () => made.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    return made
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Addresses are no server names (RFC 6066 §3); the certificate is then checked for the address. */
const nameOf = (host: string): string => (/^[\d.]+$|:/.test(host) ? '' : host)

function withoutUndefined(tls: NonNullable<ReplicaSecurity['tls']>): object {
  return tls.ca === undefined ? { cert: tls.cert, key: tls.key } : { ...tls }
}
