/** What TLS of a client's connection must be for its requests to be served: there at all, for this host, by a known peer. */
import { ProxyError } from '../core/errors.ts'
import type { PeerIdentity } from '../core/tls-facts.ts'
import type { ConnectionInfo, Exchange } from '../exchange/exchange.ts'
import { ANSWERED, CONTINUE, type Stage, type Verdict } from '../exchange/stage.ts'

export interface TlsRules {
  /** Requests in clear text are refused. */
  readonly required: boolean
  /** Host must be the server name of the handshake, or covered by the certificate (RFC 9110 §7.4). */
  readonly checkAuthority: boolean
  /** Names of clients; undefined: any. */
  readonly allowedIdentities: readonly string[] | undefined
}

/** The stage, or none where nothing is ruled. */
export function tlsRules(rules: TlsRules): Stage[] {
  const { required, checkAuthority, allowedIdentities } = rules
  if (!required && !checkAuthority && allowedIdentities === undefined) return []
  const allowed = allowedIdentities?.map(parsePattern)
  // The rules are the same for all requests of a connection but for Host, which mostly stays the same too.
  const lastHost = new WeakMap<ConnectionInfo, string>()
  const host = (x: Exchange): boolean => {
    const { connection, request } = x
    if (lastHost.get(connection) === request.host) return true
    const fits = hostFits(connection, request.host)
    if (fits) lastHost.set(connection, request.host)
    return fits
  }
  const stage: Stage = {
    name: 'tls-rules',
    role: 'decide',
    onRequestHead(x) {
      const { connection } = x
      // The app beside us is no client to be told apart.
      if (connection.direction === 'outbound' && connection.tls === undefined) return CONTINUE
      if (required && connection.tls === undefined) return refused(x, 'client_tls_expected', '')
      if (allowed !== undefined && connection.direction !== 'outbound') {
        const fault = identityFault(allowed, connection.peerIdentity)
        if (fault !== '') return refused(x, 'identity_refused', fault)
      }
      if (checkAuthority && connection.tls !== undefined && !host(x)) {
        return refused(x, 'misdirected_request', `the handshake was for ${connection.tls.serverName}`)
      }
      return CONTINUE
    },
  }
  return [stage]
}

function refused(
  x: Exchange,
  code: 'client_tls_expected' | 'identity_refused' | 'misdirected_request',
  detail: string,
): Verdict {
  x.refusal = new ProxyError(code, 'head', detail)
  return ANSWERED
}

/** Without a server name in the handshake there is nothing to compare: clients that dial addresses send none. */
function hostFits({ tls }: ConnectionInfo, authority: string): boolean {
  if (tls === undefined || tls.serverName === '' || authority === '') return true
  const host = hostName(authority)
  if (host === tls.serverName || tls.certificateNames.has(host)) return true
  const dot = host.indexOf('.')
  return dot > 0 && tls.certificateNames.has(`*${host.slice(dot)}`)
}

/** Host without port, brackets and the root's dot, in lower case. */
function hostName(authority: string): string {
  const end = authority.startsWith('[') ? authority.indexOf(']') : authority.indexOf(':')
  const host = authority.slice(authority.startsWith('[') ? 1 : 0, end === -1 ? undefined : end)
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase()
}

/** A name pattern in its parts: `*` is any one part, a last `**` any number. */
interface Pattern {
  readonly text: string
  readonly separator: '/' | '.'
  readonly parts: readonly string[]
}

function parsePattern(text: string): Pattern {
  const separator = text.includes('://') ? '/' : '.'
  return { text, separator, parts: text.split(separator) }
}

/** '' where a name of the client matches. */
function identityFault(allowed: readonly Pattern[], identity: PeerIdentity | undefined): string {
  if (identity === undefined) return 'the client showed no certificate'
  const { uris, dns, subject } = identity
  const fits = (pattern: Pattern): boolean =>
    pattern.text === subject || (pattern.separator === '/' ? uris : dns).some((name) => matches(pattern, name))
  return allowed.some(fits) ? '' : `${identity.principal.slice(0, 200)} is not on the list`
}

function matches({ separator, parts, text }: Pattern, name: string): boolean {
  if (name === text) return true
  const given = name.split(separator)
  const open = separator === '/' && parts.at(-1) === '**'
  const fixed = open ? parts.slice(0, -1) : parts
  if (open ? given.length <= fixed.length : given.length !== fixed.length) return false
  return fixed.every((part, i) => (part === '*' && given[i] !== '' && given[i] !== '*') || part === given[i])
}
