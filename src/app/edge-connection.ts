/**
 * The first bytes of a connection to a reverse proxy that speaks TLS: a ClientHello is terminated or goes on to the
 * upstream unread, by policy; HTTP in clear text is served, and the rules say whether it is answered with a refusal.
 */
import { nowUs } from '../core/clock.ts'
import { ProxyError } from '../core/errors.ts'
import type { Deadlined } from '../core/timers.ts'
import type { ConnectionInfo } from '../exchange/exchange.ts'
import { HeldBytes } from '../http/message/held-bytes.ts'
import { type ClientHello, HelloReader } from '../net/client-hello.ts'
import { sniff } from '../net/sniff.ts'
import type { Wire, WireHandler } from '../net/wire.ts'
import type { DataPlane } from './data-plane.ts'
import { badHello, type TlsTermination } from './tls-termination.ts'

export interface EdgeConnectionOptions {
  readonly plane: DataPlane
  readonly tls: TlsTermination
  /** Whether bytes that are neither TLS nor HTTP are left to the HTTP codec, which answers them. */
  readonly clearText: boolean
  /** Take a TLS connection on to the upstream unread. `held`: what was read of it. */
  readonly passOn: (held: Buffer) => void
}

/** How often a silent connection is looked at, for a drain should not wait for it. */
const LOOK_US = 1_000_000

export class EdgeConnection implements WireHandler, Deadlined {
  readonly #wire: Wire
  readonly #info: ConnectionInfo
  readonly #options: EdgeConnectionOptions
  readonly #startUs = nowUs()
  readonly #held = new HeldBytes()
  readonly #helloReader = new HelloReader()
  #decided = false
  deadlineUs: number

  constructor(wire: Wire, info: ConnectionInfo, options: EdgeConnectionOptions) {
    this.#wire = wire
    this.#info = info
    this.#options = options
    this.deadlineUs = this.#startUs + Math.min(LOOK_US, options.plane.timeouts.handshakeMs * 1000)
    wire.handler = this
    options.plane.sweeper.add(this)
    wire.resume()
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    if (this.#decided) return
    this.#held.keep(buf, start, end)
    const protocol = sniff(this.#held.bytes, 0, this.#held.length)
    if (protocol === 'tls') this.#readHello()
    else if (protocol === 'http1' || protocol === 'http2') this.#serveClear()
    else if (protocol === 'opaque') this.#unknown()
  }

  #readHello(): void {
    const hello = this.#helloReader.read(this.#held.bytes, this.#held.length)
    if (hello === 'need-more') return
    const { tls, plane, passOn } = this.#options
    const read = hello !== 'not-tls' && hello.kind === 'hello' ? hello : undefined
    if (!tls.takes(read, this.#info.local.port)) {
      this.#decide()
      passOn(this.#bytes)
    } else if (read === undefined || read.nameFault !== '') {
      this.#refuse(badHello(hello), read)
    } else {
      this.#decide()
      tls.serve(plane, this.#wire, { ...this.#attempted, hello: read }, this.#bytes)
    }
  }

  #serveClear(): void {
    this.#decide()
    this.#options.plane.serve(this.#wire, this.#info, this.#bytes)
  }

  #unknown(): void {
    if (this.#options.clearText) this.#serveClear()
    else this.#refuse(new ProxyError('client_tls_not_spoken', 'tls'), undefined)
  }

  get #bytes(): Buffer {
    return this.#held.bytes.subarray(0, this.#held.length)
  }

  get #attempted(): { info: ConnectionInfo; destination: undefined; startUs: number } {
    return { info: this.#info, destination: undefined, startUs: this.#startUs }
  }

  #decide(): void {
    this.#decided = true
    this.#options.plane.sweeper.remove(this)
  }

  #refuse(error: ProxyError, hello: ClientHello | undefined): void {
    this.#decide()
    this.#options.tls.failed({ ...this.#attempted, hello }, error)
    this.#wire.reset()
  }

  onEnd(): void {
    this.#wire.destroy()
  }

  onDrain(): void {}

  onClose(): void {
    if (this.#decided) return
    this.#decide()
    // One that came and went without a byte is a check of the port.
    if (this.#held.length > 0) {
      this.#options.tls.failed({ ...this.#attempted, hello: undefined }, new ProxyError('client_tls_aborted', 'tls'))
    }
  }

  onDeadline(now: number): void {
    const { plane } = this.#options
    const limitUs = this.#startUs + plane.timeouts.handshakeMs * 1000
    if (now >= limitUs) this.#refuse(new ProxyError('client_tls_timeout', 'tls'), undefined)
    else if (plane.draining && this.#held.length === 0) this.#wire.destroy()
    else this.deadlineUs = Math.min(limitUs, now + LOOK_US)
  }
}
