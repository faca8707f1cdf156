/** TLS of a listener, by PEM texts. */

export interface ListenerTls {
  readonly cert: string
  readonly key: string
  /** Authorities of client certificates; with them a certificate is demanded (mTLS). */
  readonly clientCa?: string
}

/** As node:tls takes them. */
export function tlsOptions({ cert, key, clientCa }: ListenerTls): object {
  const base = { cert, key, minVersion: 'TLSv1.2' } as const
  return clientCa === undefined ? base : { ...base, ca: clientCa, requestCert: true, rejectUnauthorized: true }
}

export interface Bound {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}
