/** TLS to upstreams: who they must be, who we are to them, and sessions kept so that the next handshake is a short one. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP, type TcpNetConnectOpts } from 'node:net'
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { LRUCache } from 'lru-cache'
import type { Validity } from '../core/tls-facts.ts'
import type { OnRead } from '../net/wire.ts'
import { validityOf } from './facts.ts'
import { signatureOf } from './file-signature.ts'

export interface UpstreamTlsOptions {
  /** Authorities in place of the runtime's (which are its own and NODE_EXTRA_CA_CERTS). PEM files, as all here. */
  readonly ca?: string | undefined
  readonly crl?: string | undefined
  /** Shown to upstreams that ask for a certificate. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Sent as SNI and expected in the certificate, in place of the host. */
  readonly serverName?: string | undefined
  /** False: any certificate will do. */
  readonly verify?: boolean
}

/** Upstreams whose sessions are kept; a session is 2 to 4 KiB. */
const MAX_SESSIONS = 1000

export class UpstreamTls {
  /** Those of the files that we show, for who watches their dates. */
  certificates: readonly { readonly name: string; readonly notAfterMs: number }[]
  readonly #options: UpstreamTlsOptions
  #loaded: SecureContext | undefined
  #signature: string
  readonly #sessions = new LRUCache<string, Buffer>({ max: MAX_SESSIONS })
  /** Dates of certificates: a session that is resumed does not show one again. */
  readonly #shown = new LRUCache<string, Validity>({ max: MAX_SESSIONS })
  readonly #keys = new WeakMap<TLSSocket, string>()

  /**
   * Throws where a file cannot be read or used. Without any, the runtime's authorities are loaded at the first connection:
   * they take some 40 ms of a start, and most proxies in a cluster never need them. `now`: it is known that they will be.
   */
  constructor(options: UpstreamTlsOptions = {}, { now = false } = {}) {
    this.#options = options
    this.#signature = signatureOf(this.files)
    if (now || this.files.length > 0) this.#loaded = contextOf(options)
    this.certificates = datesOf(options)
  }

  get #context(): SecureContext {
    this.#loaded ??= contextOf(this.#options)
    return this.#loaded
  }

  /** Paths of the files that it was made from. */
  get files(): string[] {
    const { ca, crl, cert, key } = this.#options
    return [ca, crl, cert, key].filter((file) => file !== undefined)
  }

  /** Read the files anew where they changed; whether they did. Throws where that fails: what was there stays in use. */
  refresh(): boolean {
    const signature = signatureOf(this.files)
    if (signature === this.#signature) return false
    // Before the attempt: files that do not fit are not tried again until they change.
    this.#signature = signature
    this.#loaded = contextOf(this.#options)
    this.certificates = datesOf(this.#options)
    this.#sessions.clear()
    return true
  }

  /**
   * Begin to connect to `host`, which must prove that it is (RFC 9110 §4.3.4), or that it is `serverName`. `protocols` are
   * offered by ALPN, the preferred one first.
   */
  connect(
    target: TcpNetConnectOpts,
    host: string,
    serverName: string | undefined,
    protocols: readonly string[],
    onread: OnRead,
  ): TLSSocket {
    const name = this.#options.serverName ?? serverName ?? host
    const key = `${host}:${target.port}:${name}`
    const session = this.#sessions.get(key)
    const options: ConnectionOptions & Pick<TcpNetConnectOpts, 'onread'> & { allowHalfOpen: boolean } = {
      ...target,
      allowHalfOpen: true,
      secureContext: this.#context,
      ALPNProtocols: [...protocols],
      rejectUnauthorized: this.#options.verify ?? true,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      // An address is no server name (RFC 6066 §3).
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(session === undefined ? {} : { session }),
      onread,
    }
    const socket = connect(options)
    socket.setNoDelay(true)
    this.#keys.set(socket, key)
    socket.on('session', (fresh) => this.#sessions.set(key, fresh))
    return socket
  }

  /** Dates of the certificate that the upstream of a finished handshake showed, now or when the session began. */
  validity(socket: TLSSocket): Validity | undefined {
    const key = this.#keys.get(socket) ?? ''
    const shown = validityOf(socket.getPeerX509Certificate())
    if (shown === undefined) return this.#shown.get(key)
    this.#shown.set(key, shown)
    return shown
  }
}

function contextOf({ ca, crl, cert, key }: UpstreamTlsOptions): SecureContext {
  const pem = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : readFileSync(file, 'utf8')
  const given = { ca: pem(ca), crl: pem(crl), cert: pem(cert), key: pem(key) }
  const known = Object.fromEntries(Object.entries(given).filter(([, text]) => text !== undefined))
  return createSecureContext({ ...known, minVersion: 'TLSv1.2' })
}

function datesOf({ cert }: UpstreamTlsOptions): { name: string; notAfterMs: number }[] {
  if (cert === undefined) return []
  return [{ name: 'upstream.tls.cert', notAfterMs: Date.parse(new X509Certificate(readFileSync(cert)).validTo) }]
}
