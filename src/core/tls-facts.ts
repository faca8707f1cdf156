/** What a TLS handshake agreed on, as the rest of the program sees it. */

/** Who a client is by its certificate, which was verified. */
export interface PeerIdentity {
  /** The name that stands for it: SPIFFE id, else the first URI or DNS name, else the subject. */
  readonly principal: string
  /** `spiffe://…`, '' where there is none, or more than one, which SPIFFE forbids (X.509-SVID §2). */
  readonly spiffeId: string
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  /** Distinguished names (RFC 4514 style, parts by comma). */
  readonly subject: string
  readonly issuer: string
  /** SHA-256 of the certificate, hex. */
  readonly sha256: string
  /** ISO 8601. */
  readonly notBefore: string
  readonly notAfter: string
}

/** When a certificate is valid, ISO 8601. */
export interface Validity {
  readonly notBefore: string
  readonly notAfter: string
}

/** TLS of one connection. */
export interface TlsFacts {
  /** `1.2` or `1.3`. */
  readonly version: string
  /** By its name in the IANA registry. */
  readonly cipher: string
  /** SNI, '' for none. */
  readonly serverName: string
  /** Protocol agreed on by ALPN, '' for none. */
  readonly alpn: string
  readonly resumed: boolean
  /** Of the certificate that the server showed; undefined where it is not known. */
  readonly certificate?: Validity | undefined
}

/** TLS of an accepted connection. */
export interface DownstreamTls extends TlsFacts {
  /** First byte of the ClientHello to the end of the handshake. */
  readonly handshakeUs: number
  /** Names of the certificate that we showed, wildcards included, addresses too. */
  readonly certificateNames: ReadonlySet<string>
}
