/**
 * The first moments of an intercepted connection: who speaks first, and what. HTTP/1 goes to the codec; all else goes
 * to its original destination unread, TLS with its server name noted. Where the client stays silent the destination
 * is dialled in parallel, for in many protocols it is the server that begins.
 */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { Deadlined } from '../core/timers.ts'
import type { ConnectionInfo, Endpoint } from '../exchange/exchange.ts'
import { HeldBytes } from '../http/message/held-bytes.ts'
import { tunnelFailure } from '../http/upgraded.ts'
import { type ClientHello, HelloReader } from '../net/client-hello.ts'
import { type ByteObserver, joinTunnel } from '../net/opaque.ts'
import { sniff } from '../net/sniff.ts'
import { TlsWatch } from '../net/tls-watch.ts'
import type { Wire, WireHandler } from '../net/wire.ts'
import { Dial, type DialOptions } from '../upstream/dial.ts'
import type { DataPlane } from './data-plane.ts'
import type { OpaqueTelemetry, TunnelReport, TunnelSight } from './opaque-telemetry.ts'
import { type Attempted, badHello, type TlsTermination } from './tls-termination.ts'

/** Why a connection was tunnelled. */
export type TunnelReason = 'tls' | 'unknown' | 'server-first' | 'port' | 'timeout'

export interface SidecarConnectionOptions {
  readonly plane: DataPlane
  readonly dial: DialOptions
  readonly detectMs: number
  /** Undefined: all TLS goes on unread. */
  readonly tls?: TlsTermination | undefined
  /** Inbound requests must be of certain clients: what could be one and cannot be read is refused. */
  readonly guarded?: boolean | undefined
  readonly onSniffed: (outcome: string) => void
  readonly opaque: OpaqueTelemetry
}

/** A client that speaks first does so at once; after this silence the server gets its chance to. */
const SILENCE_US = 20_000
const NOTHING = Buffer.alloc(0)

export class SidecarConnection implements WireHandler, Deadlined {
  readonly #wire: Wire
  readonly #info: ConnectionInfo
  readonly #destination: Endpoint
  readonly #options: SidecarConnectionOptions
  readonly #startUs = nowUs()
  readonly #held = new HeldBytes()
  readonly #helloReader = new HelloReader()
  /** The dial in parallel, then its wire. */
  #dial: Dial | undefined
  #upstream: Wire | undefined
  #dialUs = -1
  #connectUs = -1
  /** Set once: what the connection turned out to be. */
  #reason: TunnelReason | undefined
  #hello: ClientHello | undefined
  #decided = false
  /** The client sent FIN and nothing else. */
  #isMute = false
  deadlineUs: number

  constructor(wire: Wire, info: ConnectionInfo, destination: Endpoint, options: SidecarConnectionOptions) {
    this.#wire = wire
    this.#info = info
    this.#destination = destination
    this.#options = options
    this.deadlineUs = this.#startUs + SILENCE_US
    wire.handler = this
    options.plane.sweeper.add(this)
  }

  /** Find out what it is. */
  detect(): void {
    this.#wire.resume()
  }

  // === detection ===

  onBytes(buf: Buffer, start: number, end: number): void {
    this.#held.keep(buf, start, end)
    if (this.#decided) {
      if (this.#held.length > this.#options.dial.highWater) this.#wire.pause()
      return
    }
    const protocol = sniff(this.#held.bytes, 0, this.#held.length)
    if (protocol === 'http1') this.#toHttp('http1')
    else if (protocol === 'http2') this.#toHttp('h2')
    else if (protocol === 'tls') this.#readHello()
    else if (protocol !== 'need-more') this.tunnel('unknown')
  }

  #readHello(): void {
    const hello = this.#helloReader.read(this.#held.bytes, this.#held.length)
    if (hello === 'need-more') return
    const read = hello !== 'not-tls' && hello.kind === 'hello' ? hello : undefined
    const { tls } = this.#options
    this.#hello = read
    if (tls?.takes(read, this.#destination.port) !== true) this.tunnel('tls')
    else if (read === undefined || read.nameFault !== '') this.#refuse(badHello(hello))
    else this.#terminate(tls, read)
  }

  #terminate(tls: TlsTermination, hello: ClientHello): void {
    this.#decide('tls-terminated')
    // One that was dialled ahead is in clear text; the first request dials by its own rules.
    this.#dial?.cancel()
    this.#dial = undefined
    this.#upstream?.destroy()
    this.#upstream = undefined
    tls.serve(
      this.#options.plane,
      this.#wire,
      { ...this.#attempted, hello },
      this.#held.bytes.subarray(0, this.#held.length),
    )
  }

  get #attempted(): Omit<Attempted, 'hello'> {
    return { info: this.#info, destination: this.#destination, startUs: this.#startUs }
  }

  /** Nothing goes on of what the rules of TLS are for and cannot be applied to. */
  #refuse(error: ProxyError): void {
    this.#decide('refused')
    this.#options.tls?.failed({ ...this.#attempted, hello: this.#hello }, error)
    this.#wire.reset()
  }

  /** By port all is TLS here, or by identity: then what is neither TLS nor HTTP is none of an app's own protocols. */
  get #mustBeRead(): boolean {
    const { tls, guarded } = this.#options
    return guarded === true || tls?.takes(undefined, this.#destination.port) === true
  }

  /** A client that sends nothing may wait for what the server says. */
  onEnd(): void {
    if (this.#decided) return
    this.#isMute = this.#held.length === 0
    if (this.#isMute && this.#mustBeRead) this.#wire.destroy()
    else this.tunnel('unknown')
  }

  onDrain(): void {}

  onClose(): void {
    this.#options.plane.sweeper.remove(this)
    this.#decided = true
    this.#dial?.cancel()
    this.#upstream?.destroy()
  }

  onDeadline(now: number): void {
    if (this.#decided) return
    if (now >= this.#startUs + this.#options.detectMs * 1000) {
      this.tunnel('timeout')
      return
    }
    this.deadlineUs = this.#startUs + this.#options.detectMs * 1000
    if (this.#held.length === 0) this.#dialAhead()
  }

  /** The server may speak first; if it does not, the connection serves the first request. */
  #dialAhead(): void {
    this.#dial = this.#newDial(
      (wire) => {
        this.#upstream = wire
        wire.handler = {
          onBytes: (buf, start, end) => this.tunnel('server-first', Buffer.from(buf.subarray(start, end))),
          onEnd: () => this.tunnel('server-first'),
          onDrain: () => {},
          onClose: (error) => {
            this.#upstream = undefined
            // The server hung up on a client that waits for its greeting.
            if (error !== undefined && this.#held.length === 0) this.#wire.reset()
          },
        }
      },
      () => {
        // The client has asked for nothing yet: its request will find the same fault and be told.
        this.#dial = undefined
      },
    )
  }

  #newDial(onReady: (wire: Wire) => void, onError: (error: ProxyError) => void): Dial {
    const { address, port } = this.#destination
    this.#dialUs = nowUs()
    const ready = (wire: Wire): void => {
      this.#connectUs = nowUs() - this.#dialUs
      onReady(wire)
    }
    return new Dial({ host: address, port, tls: false }, this.#options.dial, ready, onError)
  }

  #decide(outcome: string): void {
    this.#decided = true
    this.#options.plane.sweeper.remove(this)
    this.#options.onSniffed(outcome)
  }

  // === HTTP ===

  #toHttp(protocol: 'http1' | 'h2'): void {
    this.#decide(protocol === 'h2' ? 'http2' : protocol)
    const { plane } = this.#options
    const { address, port } = this.#destination
    if (this.#upstream !== undefined) {
      plane.upstream.adopt(this.#info, { host: address, port, tls: false }, this.#upstream, protocol)
      this.#upstream = undefined
    } else {
      this.#dial?.cancel()
    }
    this.#dial = undefined
    plane.serve(this.#wire, this.#info, this.#held.bytes.subarray(0, this.#held.length), protocol)
  }

  // === tunnel ===

  /** Forward unread from now on. `fromServer` are bytes that the server sent already. */
  tunnel(reason: TunnelReason, fromServer: Buffer = NOTHING): void {
    if (this.#decided) return
    if ((reason === 'unknown' || reason === 'timeout') && this.#mustBeRead) {
      this.#refuse(new ProxyError(reason === 'timeout' ? 'client_tls_timeout' : 'client_tls_not_spoken', 'tls'))
      return
    }
    this.#decide(reason)
    this.#reason = reason
    if (this.#upstream !== undefined) {
      const upstream = this.#upstream
      this.#upstream = undefined
      this.#join(upstream, fromServer)
      return
    }
    this.#dial?.cancel()
    this.#dial = this.#newDial(
      (wire) => this.#join(wire, NOTHING),
      (error) => {
        this.#report(nowUs(), 0, 0, -1, error)
        this.#wire.reset()
      },
    )
  }

  #join(upstream: Wire, fromServer: Buffer): void {
    this.#dial = undefined
    const handshake = this.#reason === 'tls' ? new Handshake() : undefined
    const sight = handshake === undefined ? this.#options.opaque.look(this.#info, this.#destination) : undefined
    joinTunnel(
      this.#wire,
      this.#held.bytes.subarray(0, this.#held.length),
      upstream,
      fromServer,
      (outcome) =>
        this.#report(
          outcome.endUs,
          outcome.bytesAToB,
          outcome.bytesBToA,
          handshake?.tookUs ?? -1,
          tunnelFailure(outcome),
          sight,
        ),
      handshake ?? sight?.observers,
    )
    this.#held.release()
  }

  #report(
    endUs: number,
    bytesFromClient: number,
    bytesToClient: number,
    tlsHandshakeUs: number,
    error: ProxyError | undefined,
    sight?: TunnelSight,
  ): void {
    // A check of the port: there is nothing to tell of.
    if (this.#isMute && bytesToClient === 0) return
    const report: TunnelReport = {
      connection: this.#info,
      reason: this.#reason!,
      destination: this.#destination,
      startUs: this.#startUs,
      endUs,
      bytesFromClient,
      bytesToClient,
      serverName: this.#hello?.serverName ?? '',
      alpnOffered: this.#hello?.alpn.join(',') ?? '',
      connectUs: this.#connectUs,
      tlsHandshakeUs,
      error,
      sight,
    }
    this.#options.opaque.record(report)
  }
}

/** Times a handshake from the moment its ClientHello goes on to the server. */
class Handshake {
  readonly #watch = new TlsWatch()
  readonly #startUs = nowUs()
  /** -1 while it is not over. */
  tookUs = -1

  readonly a: ByteObserver = (buf, start, end) => this.#seen(this.#watch.client(buf, start, end))
  readonly b: ByteObserver = (buf, start, end) => this.#seen(this.#watch.server(buf, start, end))

  #seen(over: boolean): boolean {
    if (over && this.tookUs === -1) this.tookUs = nowUs() - this.#startUs
    return over
  }
}
