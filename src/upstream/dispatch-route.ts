/** How exchanges go where another HTTP client than our own codecs carries them. */
import type { Dispatcher } from 'undici'

/** What is needed of an undici Dispatcher: Agent, Pool, ProxyAgent, or one that is composed of interceptors. */
export type DispatcherLike = Pick<Dispatcher, 'dispatch'>

export interface DispatchRoute {
  readonly dispatcher: DispatcherLike
  /** `http://host:port` that it is asked for. */
  readonly origin: string
  /** Through a forward proxy in clear text: `http://host:port` of the upstream, put before the path (RFC 9112 §3.2.2). */
  readonly absolute: string
  /** For the forward proxy; '' for none. */
  readonly proxyAuthorization: string
  /** Name in the TLS handshake with the upstream; undefined in clear text. */
  readonly serverName: string | undefined
  /** Whether the dispatcher would lose fields that come twice if it got them as an array (undici's ProxyAgent). */
  readonly fieldsAsPairs: boolean
  /** Closes what was made for this route. */
  readonly close: () => void
}

/** The route through a dispatcher of the user's, who owns it. */
export function dispatcherRoute(dispatcher: DispatcherLike, upstreamUrl: string): DispatchRoute {
  const { origin, protocol, hostname } = new URL(upstreamUrl)
  // An address too, which SNI may not hold (RFC 6066 §3): without a name undici checks the certificate against Host.
  return {
    dispatcher,
    origin,
    absolute: '',
    proxyAuthorization: '',
    serverName: protocol === 'https:' ? hostname.replace(/^\[|\]$/g, '') : undefined,
    fieldsAsPairs: false,
    close: () => {},
  }
}
