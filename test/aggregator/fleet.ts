/** Several aggregators that know each other. */
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import type { AggregatorOptions } from '../../src/aggregator/aggregator.ts'
import { type RunningAggregator, running, until } from './running.ts'

/** Ports that nobody listens on, told apart from each other. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

export type Replicas = NonNullable<AggregatorOptions['replicas']>

export const replicasAt = (ports: readonly number[], own: number, more: Partial<Replicas> = {}): Replicas => ({
  listen: { host: '127.0.0.1', port: ports[own]! },
  hosts: ports.map((port) => ({ host: '127.0.0.1', port })),
  ...{ token: 'among-us', authorities: undefined, timeoutMs: 1000 },
  ...more,
})

/** A fleet within the test. All know all others when it resolves. */
export async function fleet(count: number, more: Partial<AggregatorOptions> = {}): Promise<RunningAggregator[]> {
  const ports = await freePorts(count)
  const all = await Promise.all(ports.map((_, own) => running({ replicas: replicasAt(ports, own), ...more })))
  for (const { uiPort } of all) {
    await until('all know each other', async () => isWhole((await get(uiPort, '/api/hopscope/status')).json.missing))
  }
  return all
}

const isWhole = (missing: unknown): boolean => Array.isArray(missing) && missing.length === 0

export interface Page {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly json: Record<string, unknown>
}

/** As a browser asks, over a socket. */
export function get(port: number, path: string): Promise<Page> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      res.on('end', () => resolve({ status: res.statusCode!, headers: res.headers, json: JSON.parse(text) }))
    })
    asked.once('error', reject)
    asked.end()
  })
}
