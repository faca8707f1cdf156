/** Handshakes with clients: begun with the ClientHello at hand, bounded in number and time, ended with facts or a cause. */
import type { TLSSocket } from 'node:tls'
import { nowUs, wallUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { Deadlined, Sweeper } from '../core/timers.ts'
import type { DownstreamTls, PeerIdentity } from '../core/tls-facts.ts'
import type { ClientHello } from '../net/client-hello.ts'
import type { Wire, WireHandler } from '../net/wire.ts'
import { acceptTls, peerVerdict, released } from './accepted-socket.ts'
import type { CertificateStore } from './certificate-store.ts'
import { factsOf } from './facts.ts'
import { clientCertificateFailure, clientFailure } from './failures.ts'
import { identityOf } from './peer-identity.ts'
import type { ServedCertificate } from './server-context.ts'

export interface ServerHandshakesOptions {
  readonly store: CertificateStore
  /** At once; more are refused. */
  readonly maxPending: number
  /** Protocols that are served, the preferred one first. */
  readonly protocols: readonly string[]
}

/** What the listener lends to a handshake. */
export interface HandshakeHost {
  readonly sweeper: Sweeper
  /** From the start of the connection, milliseconds. */
  readonly timeouts: { readonly handshakeMs: number }
}

/** A connection that is to be terminated. */
export interface Begun {
  readonly wire: Wire
  readonly hello: ClientHello
  /** The bytes so far, the hello among them; they are copied. */
  readonly early: Buffer
  /** When the connection began. */
  readonly startUs: number
}

/** How a handshake ends; exactly one of them comes. */
export interface HandshakeEvents {
  /** The wire needs a handler before this returns: decrypted bytes may follow at once. */
  onSecure(tls: DownstreamTls, identity: PeerIdentity | undefined): void
  /** The connection is gone, or going. */
  onFailed(error: ProxyError): void
}

export class ServerHandshakes {
  readonly #options: ServerHandshakesOptions
  /** Begun and not ended. */
  pending = 0

  constructor(options: ServerHandshakesOptions) {
    this.#options = options
  }

  /** Whether a certificate of ours is for the name. */
  knows(serverName: string): boolean {
    return this.#options.store.find(serverName) !== undefined
  }

  /** Take the server's part of a handshake. */
  begin(begun: Begun, host: HandshakeHost, events: HandshakeEvents): void {
    const { store, maxPending } = this.#options
    if (this.pending >= maxPending) {
      begun.wire.reset()
      events.onFailed(new ProxyError('tls_handshakes_full', 'tls'))
      return
    }
    this.pending++
    const certificate = store.find(begun.hello.serverName) ?? store.fallback
    new Handshake(begun, certificate, this.#options, host, {
      onSecure: (tls, identity) => {
        this.pending--
        events.onSecure(tls, identity)
      },
      onFailed: (error) => {
        this.pending--
        events.onFailed(error)
      },
    })
  }
}

class Handshake implements WireHandler, Deadlined {
  readonly #begun: Begun
  readonly #wire: Wire
  readonly #certificate: ServedCertificate
  readonly #options: ServerHandshakesOptions
  readonly #host: HandshakeHost
  readonly #events: HandshakeEvents
  #over = false
  deadlineUs: number

  constructor(
    begun: Begun,
    certificate: ServedCertificate,
    options: ServerHandshakesOptions,
    host: HandshakeHost,
    events: HandshakeEvents,
  ) {
    this.#begun = begun
    this.#wire = begun.wire
    this.#certificate = certificate
    this.#options = options
    this.#host = host
    this.#events = events
    this.deadlineUs = begun.startUs + host.timeouts.handshakeMs * 1000
    begun.wire.handler = this
    host.sweeper.add(this)
    this.#begin(Buffer.from(begun.early))
  }

  #begin(early: Buffer): void {
    const { clientAuth } = this.#options.store
    const protocol = this.#options.protocols.find((one) => this.#begun.hello.alpn.includes(one))
    const { context } = this.#certificate
    this.#wire.encrypt((handle, onread) => {
      const socket = acceptTls(handle, onread, early, {
        context,
        protocol,
        requestCert: clientAuth !== 'off',
        requireCert: clientAuth === 'require',
      })
      socket.once('secure', () => this.#secured(socket))
      return socket
    })
    // The client is gone already.
    if (this.#wire.closed) this.#fail(clientFailure(undefined))
  }

  #secured(socket: TLSSocket): void {
    if (this.#over) return
    released(socket)
    const checked = this.#options.store.clientAuth === 'off' ? undefined : this.#checkPeer(socket)
    if (checked instanceof ProxyError) {
      this.#fail(checked)
      this.#wire.destroy()
      return
    }
    this.#end()
    const tls = this.#facts(socket)
    this.#wire.tls = tls
    this.#events.onSecure(tls, checked)
  }

  /** Undefined: there was no certificate, and none is required. */
  #checkPeer(socket: TLSSocket): PeerIdentity | ProxyError | undefined {
    const certificate = socket.getPeerX509Certificate()
    if (certificate === undefined) {
      const required = this.#options.store.clientAuth === 'require'
      return required ? new ProxyError('client_tls_certificate_required', 'tls') : undefined
    }
    const verdict = peerVerdict(socket)
    if (verdict !== '') return clientCertificateFailure(verdict)
    // A session that is resumed brings the certificate along as it was checked then.
    if (Date.parse(certificate.validTo) * 1000 < wallUs(nowUs())) return clientCertificateFailure('CERT_HAS_EXPIRED')
    return identityOf(certificate)
  }

  #facts(socket: TLSSocket): DownstreamTls {
    return {
      ...factsOf(socket, this.#begun.hello.serverName),
      certificate: this.#certificate.validity,
      handshakeUs: nowUs() - this.#begun.startUs,
      certificateNames: this.#certificate.names,
    }
  }

  #end(): void {
    this.#over = true
    this.#host.sweeper.remove(this)
  }

  #fail(error: ProxyError): void {
    if (this.#over) return
    this.#end()
    this.#events.onFailed(error)
  }

  onDeadline(): void {
    this.#fail(new ProxyError('client_tls_timeout', 'tls'))
    this.#wire.reset()
  }

  onClose(error: Error | undefined): void {
    this.#fail(clientFailure(error))
  }

  /** FIN in the middle: nothing more can come of it. */
  onEnd(): void {
    this.#wire.destroy()
  }

  onBytes(): void {}
  onDrain(): void {}
}
