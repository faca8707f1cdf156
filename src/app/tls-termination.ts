/** TLS of clients: by policy a handshake of ours and then HTTP, or on unread; what fails is told with its cause. */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { ConnectionInfo, Endpoint } from '../exchange/exchange.ts'
import type { ClientHello, HelloResult } from '../net/client-hello.ts'
import type { Wire } from '../net/wire.ts'
import { FAILED_HANDSHAKE, type OpaqueTunnelFacts } from '../telemetry/tunnel-record.ts'
import { TlsPolicy } from '../tls/policy.ts'
import type { ServerHandshakes } from '../tls/server-handshakes.ts'
import type { DataPlane } from './data-plane.ts'

/** There was no exchange that could tell of it. Its trace is the business of whoever records it. */
export type FailedHandshake = Omit<OpaqueTunnelFacts, 'trace' | 'sampled'>

export interface TlsTerminationOptions {
  /** Undefined: there are no certificates, and all TLS goes on unread. */
  readonly handshakes: ServerHandshakes | undefined
  readonly terminate: readonly string[]
  readonly passthrough: readonly string[]
  /** Only names that a certificate is for are terminated. */
  readonly onlyKnown: boolean
  readonly onHandshake: (outcome: string, tookUs: number) => void
  readonly onFailed: (report: FailedHandshake) => void
}

/** What was begun: who, what it asked for, and when. */
export interface Attempted {
  readonly info: ConnectionInfo
  readonly destination: Endpoint | undefined
  readonly startUs: number
  readonly hello: ClientHello | undefined
}

export class TlsTermination {
  readonly #options: TlsTerminationOptions
  readonly #policy: TlsPolicy

  constructor(options: TlsTerminationOptions) {
    this.#options = options
    this.#policy = new TlsPolicy(options)
  }

  /** Whether the connection is ours to terminate. A hello that cannot be read asks for no name. */
  takes(hello: ClientHello | undefined, port: number): boolean {
    const { handshakes } = this.#options
    if (handshakes === undefined) return false
    const name = hello?.serverName ?? ''
    return this.#policy.terminates(name, port, handshakes.knows(name))
  }

  /** Terminate, then serve. `early`: the bytes so far, the hello among them. */
  serve(plane: DataPlane, wire: Wire, attempted: Attempted & { hello: ClientHello }, early: Buffer): void {
    const { info, hello, startUs } = attempted
    this.#options.handshakes!.begin({ wire, hello, early, startUs }, plane, {
      onSecure: (tls, peerIdentity) => {
        this.#options.onHandshake(tls.resumed ? 'resumed' : 'full', tls.handshakeUs)
        const protocol = tls.alpn === 'h2' ? 'h2' : tls.alpn === '' ? undefined : 'http1'
        plane.serve(wire, { ...info, scheme: 'https', tls, peerIdentity }, undefined, protocol)
      },
      onFailed: (error) => this.failed(attempted, error),
    })
  }

  /** A handshake that came to nothing, or to which it never came. */
  failed({ info, destination, startUs, hello }: Attempted, error: ProxyError): void {
    const endUs = nowUs()
    this.#options.onHandshake(error.code, endUs - startUs)
    this.#options.onFailed({
      connection: info,
      reason: FAILED_HANDSHAKE,
      destination,
      startUs,
      endUs,
      bytesFromClient: 0,
      bytesToClient: 0,
      serverName: hello?.serverName ?? '',
      alpnOffered: hello?.alpn.join(',') ?? '',
      connectUs: -1,
      tlsHandshakeUs: endUs - startUs,
      error,
    })
  }
}

/** The bytes look like TLS and are not what a TLS client sends. */
export function badHello(hello: HelloResult): ProxyError {
  const reason =
    typeof hello === 'string'
      ? 'no ClientHello'
      : hello.kind === 'fault'
        ? hello.reason
        : `the server name is ${hello.nameFault}`
  return new ProxyError('client_tls_bad_hello', 'tls', reason)
}
