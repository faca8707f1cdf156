/** What a finished handshake agreed on, read off the socket. */
import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { TlsFacts, Validity } from '../core/tls-facts.ts'

/** Dates of a certificate; undefined where they cannot be read. */
export function validityOf(certificate: X509Certificate | undefined): Validity | undefined {
  if (certificate === undefined) return undefined
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  if (Number.isNaN(from) || Number.isNaN(to)) return undefined
  return { notBefore: new Date(from).toISOString(), notAfter: new Date(to).toISOString() }
}

export function factsOf(socket: TLSSocket, serverName: string): TlsFacts {
  return {
    version: (socket.getProtocol() ?? '').replace(/^TLSv/, ''),
    cipher: socket.getCipher().standardName,
    serverName,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    resumed: socket.isSessionReused(),
  }
}
