import { request } from 'node:http'
import type { AggregatorOptions } from '../../src/aggregator/aggregator.ts'
import { freePort } from '../support/free-port.ts'
import { type RunningAggregator, running, until } from './running.ts'

export const freePorts = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, freePort))

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
