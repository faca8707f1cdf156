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
  readonly sweeper: Sweeper
  /** At once; more are refused. */
  readonly maxPending: number
  /** From the first byte of the hello; one object for as long as it lives, so that a reload is an assignment. */
  readonly timeouts: { readonly handshakeMs: number }
  /** Protocols that are served, the preferred one first. */
  readonly protocols: readonly string[]
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

  /** Take the server's part on `wire`; `early` are the bytes so far, the hello among them, and may change later. */
  begin(wire: Wire, hello: ClientHello, early: Buffer, startUs: number, events: HandshakeEvents): void {
    const { store, maxPending } = this.#options
    if (this.pending >= maxPending) {
      wire.reset()
      events.onFailed(new ProxyError('tls_handshakes_full', 'tls'))
      return
    }
    this.pending++
    const certificate = store.find(hello.serverName) ?? store.fallback
    new Handshake(wire, hello, Buffer.from(early), startUs, certificate, this.#options, {
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
  readonly #wire: Wire
  readonly #hello: ClientHello
  readonly #certificate: ServedCertificate
  readonly #startUs: number
  readonly #options: ServerHandshakesOptions
  readonly #events: HandshakeEvents
  #over = false
  deadlineUs: number

  constructor(
    wire: Wire,
    hello: ClientHello,
    early: Buffer,
    startUs: number,
    certificate: ServedCertificate,
    options: ServerHandshakesOptions,
    events: HandshakeEvents,
  ) {
    this.#wire = wire
    this.#hello = hello
    this.#certificate = certificate
    this.#startUs = startUs
    this.#options = options
    this.#events = events
    this.deadlineUs = startUs + options.timeouts.handshakeMs * 1000
    wire.handler = this
    options.sweeper.add(this)
    this.#begin(early)
  }

  #begin(early: Buffer): void {
    const { clientAuth } = this.#options.store
    const protocol = this.#options.protocols.find((one) => this.#hello.alpn.includes(one))
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
      ...factsOf(socket, this.#hello.serverName),
      handshakeUs: nowUs() - this.#startUs,
      certificateNames: this.#certificate.names,
    }
  }

  #end(): void {
    this.#over = true
    this.#options.sweeper.remove(this)
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
