/**
 * Which protocol a connection speaks, by the first bytes of both its sides. The checks are asked in a fixed order and
 * a verdict waits for those before it, so that the answer depends on the bytes alone and never on how they were split.
 */
import { type Check, LOOK_BYTES, type Recognised } from './first-bytes.ts'
import { mysqlServer, postgresClient, redisClient, redisInline } from './recognise-databases.ts'
import { kafkaClient } from './recognise-kafka.ts'
import { mqttClient } from './recognise-mqtt.ts'
import { thriftClient } from './thrift-header.ts'

/** Asked of what the client sent, in this order. */
const CLIENT_CHECKS: readonly Check[] = [mqttClient, ...thriftClient, postgresClient, kafkaClient, redisClient]

/** The first bytes of one side. */
export class FirstBytes {
  buf = Buffer.alloc(0)
  length = 0
  /** More came than is kept. */
  lost = false

  /** Keep what there is room for; gives how many bytes that was. */
  keep(from: Buffer, start: number, end: number): number {
    if (this.buf.length === 0) this.buf = Buffer.allocUnsafe(LOOK_BYTES)
    const taken = from.copy(this.buf, this.length, start, end)
    this.length += taken
    return taken
  }

  get full(): boolean {
    return this.length === LOOK_BYTES
  }
}

export class Recogniser {
  readonly client = new FirstBytes()
  readonly server = new FirstBytes()
  #serverFirst = false

  /** What it is; undefined: nothing that is known; `more`: not decided yet. */
  look(): Recognised | 'more' | undefined {
    const { client, server } = this
    if (client.length === 0) {
      if (server.length > 0) this.#serverFirst = true
      return this.#serverFirst ? this.#fromServer() : 'more'
    }
    if (this.#serverFirst) return this.#fromServer()
    for (const check of CLIENT_CHECKS) {
      const verdict = check(client.buf, client.length)
      if (verdict === 'more' && !client.full) return 'more'
      if (typeof verdict === 'object') return verdict
    }
    const inline = redisInline(client.buf, client.length, server.buf, server.length)
    return inline === 'no' ? undefined : inline
  }

  /** A server that speaks first: only MySQL's does. */
  #fromServer(): Recognised | 'more' | undefined {
    const verdict = mysqlServer(this.server.buf, this.server.length)
    return verdict === 'no' || (verdict === 'more' && this.server.full) ? undefined : verdict
  }
}
