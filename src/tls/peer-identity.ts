/** The identity in a client's certificate. Called only for certificates that were verified. */
import type { X509Certificate } from 'node:crypto'
import type { PeerIdentity } from '../core/tls-facts.ts'
import { parseAltNames } from './names.ts'

/** Longest text of a certificate that is kept: it goes into spans and comparisons. */
const MAX_TEXT = 512
const MAX_NAMES = 32

export function identityOf(certificate: X509Certificate): PeerIdentity {
  const { dns, uris } = parseAltNames(certificate.subjectAltName)
  const kept = { dns: bounded(dns), uris: bounded(uris) }
  const spiffe = uris.filter((uri) => uri.startsWith('spiffe://'))
  const spiffeId = spiffe.length === 1 && uris.length === 1 ? spiffe[0]! : ''
  const subject = oneLine(certificate.subject)
  return {
    principal: spiffeId || kept.uris[0] || kept.dns[0] || subject,
    spiffeId,
    ...kept,
    subject,
    issuer: oneLine(certificate.issuer),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
  }
}

const bounded = (names: readonly string[]): readonly string[] =>
  names.filter((name) => name.length <= MAX_TEXT).slice(0, MAX_NAMES)

/** Node writes a distinguished name with a line a part. */
const oneLine = (name: string): string => name.split('\n').join(',').slice(0, MAX_TEXT)
