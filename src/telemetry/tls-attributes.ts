/** TLS of both sides as attributes, by OpenTelemetry's registry (`tls.*`) where it has a name. */
import type { DownstreamTls, PeerIdentity, TlsFacts } from '../core/tls-facts.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { TailValue } from './record-layout.ts'

type Attribute = readonly [string, TailValue]

const MAX_NAMES = 8
const MAX_TEXT = 512

/**
 * What is the same for all exchanges of a connection; '' for none. JSON in ASCII, so that it fits into a record's line.
 * `tls.…` is the connection that the span is of: the client's for a server span, the upstream's for a client span.
 */
export function tlsAttributesText(x: Exchange): string {
  const { tls, peerIdentity, direction } = x.connection
  const upstream = x.upstreamTls
  if (tls === undefined && upstream === undefined) return ''
  const outbound = direction === 'outbound'
  const attributes: Attribute[] = [
    ...(tls === undefined ? [] : handshake(outbound ? 'hopscope.downstream.tls' : 'tls', tls)),
    ...(tls === undefined ? [] : accepted(tls, peerIdentity)),
    ...(upstream === undefined ? [] : handshake(outbound ? 'tls' : 'hopscope.upstream.tls', upstream)),
  ]
  return JSON.stringify(attributes).replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function parseTlsAttributes(text: string): readonly Attribute[] {
  return text === '' ? [] : (JSON.parse(text) as Attribute[])
}

function handshake(prefix: string, facts: TlsFacts): Attribute[] {
  const { version, cipher, alpn, serverName, resumed, certificate } = facts
  return [
    [`${prefix}.protocol.name`, 'tls'],
    [`${prefix}.protocol.version`, version],
    [`${prefix}.cipher`, cipher],
    [`${prefix}.resumed`, resumed],
    ...(alpn === '' ? [] : [[`${prefix}.next_protocol`, bounded(alpn)] as const]),
    ...(certificate === undefined
      ? []
      : [
          [`${prefix}.server.not_before`, certificate.notBefore] as const,
          [`${prefix}.server.not_after`, certificate.notAfter] as const,
        ]),
    ...(serverName === '' ? [] : [[`${prefix}.client.server_name`, bounded(serverName)] as const]),
  ]
}

function accepted({ handshakeUs }: DownstreamTls, peer: PeerIdentity | undefined): Attribute[] {
  const took: Attribute = ['hopscope.tls.handshake_us', Math.round(handshakeUs)]
  if (peer === undefined) return [took]
  return [
    took,
    ['hopscope.tls.client.identity', bounded(peer.principal)],
    ['hopscope.tls.client.names', [...peer.uris, ...peer.dns].slice(0, MAX_NAMES).map(bounded)],
    ['tls.client.subject', bounded(peer.subject)],
    ['tls.client.issuer', bounded(peer.issuer)],
    ['tls.client.hash.sha256', peer.sha256.toUpperCase()],
    ['tls.client.not_before', peer.notBefore],
    ['tls.client.not_after', peer.notAfter],
  ]
}

const bounded = (text: string): string => text.slice(0, MAX_TEXT)
