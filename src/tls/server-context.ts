/** What one certificate needs to serve: the certificate itself, its names, and OpenSSL's context for it. */
import { constants, createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Validity } from '../core/tls-facts.ts'
import { validityOf } from './facts.ts'
import { namesCover, normalName, parseAltNames } from './names.ts'

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'
export type ClientAuth = 'off' | 'request' | 'require'

/** What all certificates of a listener share. */
export interface ServerPolicy {
  readonly minVersion: TlsVersion
  readonly clientAuth: ClientAuth
  /** PEM of the authorities that client certificates are checked against. */
  readonly clientCa: string | undefined
  /** 48 random bytes, the same in all processes that share a listener. */
  readonly ticketKeys: Buffer
}

/** A certificate in use. */
export interface ServedCertificate {
  /** For logs and metrics. */
  readonly name: string
  readonly names: ReadonlySet<string>
  /** Of the certificate in the chain that expires first; milliseconds since the epoch. */
  readonly notAfterMs: number
  /** Of the certificate itself. */
  readonly validity: Validity | undefined
  readonly context: SecureContext
}

/** Forward secrecy and authenticated encryption only (RFC 9325 §4.2); a superset of "intermediate" without DHE. */
export const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** How long a session may be resumed, seconds. */
const SESSION_SECONDS = 7200

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g

/** Certificates of a PEM text in their order. Throws where one of them is broken, or there is none. */
export function certificatesOf(pem: string): X509Certificate[] {
  const parts = pem.match(PEM_CERTIFICATE)
  if (parts === null) throw new Error('no certificate in the file')
  return parts.map((part) => new X509Certificate(part))
}

/** Ready to serve. Throws with what is wrong: unreadable PEM, a key of another certificate. */
export function servedCertificate(
  name: string,
  pem: { readonly cert: string; readonly key: string },
  policy: ServerPolicy,
): ServedCertificate {
  const chain = certificatesOf(pem.cert)
  const own = chain[0]!
  if (!own.checkPrivateKey(createPrivateKey(pem.key))) throw new Error('the key is not the key of the certificate')
  const names = namesOf(own)
  return {
    name,
    names,
    notAfterMs: Math.min(...chain.map(({ validTo }) => Date.parse(validTo))),
    validity: validityOf(own),
    context: contextOf(pem, names, policy),
  }
}

/** DNS names and addresses; the common name counts where there is no DNS name at all (RFC 6125 §6.4.4). */
function namesOf(certificate: X509Certificate): ReadonlySet<string> {
  const { dns, ips } = parseAltNames(certificate.subjectAltName)
  const common = /(?:^|\n)CN=([^\n]+)/.exec(certificate.subject)?.[1]
  const names = dns.length > 0 || common === undefined ? dns : [normalName(common)]
  return new Set([...names, ...ips])
}

function contextOf(
  pem: { readonly cert: string; readonly key: string },
  names: ReadonlySet<string>,
  policy: ServerPolicy,
): SecureContext {
  return createSecureContext({
    cert: pem.cert,
    key: pem.key,
    // An empty list keeps the runtime's roots out: they vouch for servers, not for clients.
    ca: policy.clientCa === undefined ? [] : policy.clientCa,
    ciphers: CIPHERS,
    minVersion: policy.minVersion,
    // The client's order is as good as ours, and it knows whether it has AES in hardware.
    honorCipherOrder: false,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    sessionTimeout: SESSION_SECONDS,
    sessionIdContext: sessionIdContext(names, policy),
    ticketKeys: policy.ticketKeys,
  })
}

/**
 * Sessions are resumed only under the names and the demands on clients that they were made under: a ticket of one host is
 * worth nothing at another (RFC 6066 §3), and none outlives a change of the authorities.
 */
function sessionIdContext(names: ReadonlySet<string>, { clientAuth, clientCa }: ServerPolicy): string {
  const hash = createHash('sha256')
    .update([...names].sort().join())
    .update(`\n${clientAuth}\n${clientCa ?? ''}`)
  return hash.digest('base64url').slice(0, 32)
}

/** Whether the certificate is for this name. */
export function covers({ names }: ServedCertificate, serverName: string): boolean {
  return namesCover(names, serverName)
}
