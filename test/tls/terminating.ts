/** A proxy in this process that terminates TLS before a plain origin, with a real receiver of its spans. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { type RunningProxy, startProxy } from '../../src/app/proxy.ts'
import type { Command } from '../../src/config/commands.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type Message, Peer } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { eventually } from '../support/proxy.ts'
import { Collector, type ReceivedSpan } from '../telemetry/collector.ts'

export interface Terminating {
  readonly origin: Origin
  readonly proxy: RunningProxy
  readonly port: number
  /** A TLS connection to it; rejects as the handshake fails. */
  dial(options?: ConnectionOptions): Promise<SecurePeer>
  /** The `count` spans that came first and that `wanted` takes. */
  spans(wanted: (span: ReceivedSpan) => boolean, count?: number): Promise<ReceivedSpan[]>
  /** A sample of the metrics, by its name with labels. */
  metric(sample: string): Promise<number>
}

export class SecurePeer extends Peer {
  readonly tls: TLSSocket

  constructor(socket: TLSSocket) {
    super(socket)
    this.tls = socket
  }

  async get(path = '/', host = 'localhost'): Promise<Message> {
    this.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    return await this.message()
  }
}

export interface TerminatingOptions {
  readonly settings: Readonly<Record<string, string>>
  readonly origin?: Origin
  readonly command?: Command
}

export async function terminating(t: TestContext, options: TerminatingOptions): Promise<Terminating> {
  const origin = options.origin ?? (await Origin.answering((request) => ok(request.start)))
  const collector = await new Collector().start()
  const flags = {
    'upstream.url': `http://127.0.0.1:${origin.port}`,
    listen: '127.0.0.1:0',
    'otlp.endpoint': collector.endpoint,
    'otlp.scheduleMs': '20',
    accessLog: 'off',
    'log.level': 'silent',
    ...options.settings,
  }
  const loaded = await loadConfig({ command: 'proxy', env: {}, flags })
  if (!loaded.ok) assert.fail(JSON.stringify(loaded.faults))
  const proxy = await startProxy({ command: 'proxy', config: loaded.config })
  const { port } = proxy.address
  const sockets: TLSSocket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    await proxy.close(0)
    await origin.close()
    await collector.stop()
  })
  return {
    origin,
    proxy,
    port,
    async dial(given = {}) {
      const socket = await dialTls({ port, ...given })
      sockets.push(socket)
      return new SecurePeer(socket)
    },
    async spans(wanted, count = 1) {
      await eventually(`${count} spans`, () => collector.spans.filter(wanted).length >= count)
      return collector.spans.filter(wanted)
    },
    async metric(sample) {
      const { text } = await proxy.scrape()
      const line = text.split('\n').find((one) => one.startsWith(`${sample} `))
      return line === undefined ? 0 : Number(line.slice(sample.length + 1))
    },
  }
}

/** A finished handshake, or its error. */
export async function dialTls(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', servername: 'localhost', ...options })
  try {
    await once(socket, 'secureConnect')
  } catch (error) {
    socket.destroy()
    throw error
  }
  return socket
}
