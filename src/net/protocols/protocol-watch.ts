/**
 * Watches an opaque connection from outside: which protocol it speaks, and for some of them which request got which
 * reply. It is handed bytes that were forwarded already, keeps no more than its bounds of them, never throws, and lets
 * go for good where something does not fit.
 */
import { nowUs } from '../../core/clock.ts'
import type { CallSink, ObservedCall } from './call.ts'
import type { Recognised } from './first-bytes.ts'
import { MqttCalls } from './mqtt-calls.ts'
import type { ProtocolPairs } from './protocol-pairs.ts'
import { Recogniser } from './recogniser.ts'
import { ThriftCalls } from './thrift-calls.ts'

export interface ProtocolWatchOptions {
  /** The protocol is known now. */
  readonly onProtocol?: (protocol: Recognised) => void
  /** Every finished pair; undefined: connections are named and no more. */
  readonly onCall: CallSink | undefined
  /** A fault of ours; the watch has ended with it. */
  readonly onFault: (error: unknown) => void
}

/** What was seen, for the span of the tunnel. */
export interface ProtocolFacts extends Recognised {
  /** Why its pairs were given up, '' where they were not. */
  readonly gaveUp: string
  readonly calls: number
  readonly failedCalls: number
  /** Requests and replies that found no partner. */
  readonly unpaired: number
  /** How the protocol itself was ended, '' where it was not. */
  readonly closing: string
}

export class ProtocolWatch {
  readonly #options: ProtocolWatchOptions
  #recogniser: Recogniser | undefined = new Recogniser()
  #protocol: Recognised | undefined
  #pairs: ProtocolPairs | undefined
  #gaveUp = ''
  #calls = 0
  #failedCalls = 0
  #unpaired = 0

  constructor(options: ProtocolWatchOptions) {
    this.#options = options
  }

  /** Observers of the two directions, for {@link joinTunnel}: `a` is the client. */
  readonly a = (buf: Buffer, start: number, end: number): boolean => this.#see(true, buf, start, end)
  readonly b = (buf: Buffer, start: number, end: number): boolean => this.#see(false, buf, start, end)

  /** Undefined where the protocol is not known. */
  get facts(): ProtocolFacts | undefined {
    if (this.#protocol === undefined) return undefined
    return {
      ...this.#protocol,
      gaveUp: this.#gaveUp,
      calls: this.#calls,
      failedCalls: this.#failedCalls,
      unpaired: this.#pairs?.unpaired ?? this.#unpaired,
      closing: this.#pairs?.closing ?? '',
    }
  }

  /** The connection is over. */
  finish(): void {
    this.#recogniser = undefined
    this.#guard(() => {
      this.#pairs?.finish(nowUs())
      return true
    })
  }

  /** True: nothing more is of interest. */
  #see(fromClient: boolean, buf: Buffer, start: number, end: number): boolean {
    return this.#guard(() => {
      if (this.#recogniser !== undefined) return this.#look(this.#recogniser, fromClient, buf, start, end)
      return this.#pairs === undefined || !this.#feed(this.#pairs, fromClient, buf, start, end)
    })
  }

  #look(recogniser: Recogniser, fromClient: boolean, buf: Buffer, start: number, end: number): boolean {
    const side = fromClient ? recogniser.client : recogniser.server
    const kept = side.keep(buf, start, end)
    const found = kept === 0 ? 'more' : recogniser.look()
    if (found === 'more') {
      if (kept < end - start) side.lost = true
      return false
    }
    this.#recogniser = undefined
    this.#protocol = found
    if (found !== undefined) this.#options.onProtocol?.(found)
    this.#pairs = found === undefined ? undefined : this.#pairsOf(found)
    if (this.#pairs === undefined) return true
    const { client, server } = recogniser
    if (client.lost || server.lost) {
      this.#letGo('its beginning was not kept')
      return true
    }
    const pairs = this.#pairs
    return !(
      this.#feed(pairs, true, client.buf, 0, client.length) &&
      this.#feed(pairs, false, server.buf, 0, server.length) &&
      this.#feed(pairs, fromClient, buf, start + kept, end)
    )
  }

  #pairsOf({ name, version, variant }: Recognised): ProtocolPairs | undefined {
    if (this.#options.onCall === undefined) return undefined
    if (name === 'mqtt') return new MqttCalls(version, this.#onCall)
    return name === 'thrift' ? new ThriftCalls(variant, this.#onCall) : undefined
  }

  #feed(pairs: ProtocolPairs, fromClient: boolean, buf: Buffer, start: number, end: number): boolean {
    if (start === end || pairs.feed(fromClient, buf, start, end, nowUs())) return true
    this.#letGo(`unexpected bytes from the ${fromClient ? 'client' : 'server'}`)
    return false
  }

  #letGo(reason: string): void {
    this.#gaveUp = reason
    this.#unpaired = this.#pairs?.unpaired ?? 0
    this.#pairs = undefined
    this.#recogniser = undefined
  }

  readonly #onCall = (call: ObservedCall): void => {
    this.#calls++
    if (call.error !== undefined) this.#failedCalls++
    this.#options.onCall?.(call)
  }

  /** Bytes of a peer must not end the connection by a fault in here. */
  #guard(act: () => boolean): boolean {
    try {
      return act()
    } catch (error) {
      this.#letGo('a fault of ours')
      this.#options.onFault(error)
      return true
    }
  }
}
