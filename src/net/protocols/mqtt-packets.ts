/** The library that reads whole MQTT packets. Loading it takes 20 ms and 2 MiB, for the sake of a stream that it has. */
import { createRequire } from 'node:module'
import type { Packet, Parser } from 'mqtt-packet'

let library: typeof import('mqtt-packet') | undefined

/** Load it: at the start, so that no connection has to wait for it. */
export function loadMqtt(): typeof import('mqtt-packet') {
  library ??= createRequire(import.meta.url)('mqtt-packet') as typeof import('mqtt-packet')
  return library
}

/** Reads one whole packet at a time, whose length was found already. Serves all connections of one version. */
export class MqttPackets {
  readonly #protocolVersion: 3 | 4 | 5
  #parser: Parser | undefined
  #packet: Packet | undefined
  #failed = false

  constructor(protocolVersion: 3 | 4 | 5) {
    this.#protocolVersion = protocolVersion
  }

  /** The packet; undefined: it is malformed. The memory may be used again after the call, unless it was a CONNECT. */
  read(bytes: Buffer): Packet | undefined {
    this.#packet = undefined
    this.#failed = false
    this.#parser ??= this.#newParser()
    const left = this.#parser.parse(bytes)
    const packet = this.#packet as Packet | undefined
    const bad = this.#failed || left > 0
    // After an error the parser's state is not to be trusted; after a CONNECT it would keep that, password and all.
    if (bad || packet === undefined || packet.cmd === 'connect') this.#parser = undefined
    this.#packet = undefined
    return bad ? undefined : packet
  }

  #newParser(): Parser {
    const parser = loadMqtt().parser({ protocolVersion: this.#protocolVersion })
    parser.on('packet', (packet) => {
      this.#packet = packet
    })
    parser.on('error', () => {
      this.#failed = true
    })
    return parser
  }
}
