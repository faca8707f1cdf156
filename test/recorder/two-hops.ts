/**
 * A front proxy, a service that calls on through a back proxy and makes the best of a failure, and a server that fails
 * where it is asked to: what failed behind is not seen in front. Proxies are real processes that sample nothing.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Instance, startInstance } from '../process/instance.ts'
import { freePort } from '../support/free-port.ts'

export interface Answered {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export function call(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.once('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
      response.once('error', reject)
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

export interface TwoHops {
  readonly front: Instance
  readonly back: Instance
  readonly backendPort: number
  end(): Promise<void>
}

/** Requests of /fail are answered 503 behind and 200 in front. */
export async function twoHops(flags: readonly string[], backFlags = flags): Promise<TwoHops> {
  const backend = createServer((req, res) => {
    req.resume()
    res.setHeader('set-cookie', 'session=answer-secret')
    res.setHeader('content-type', 'application/json')
    res.statusCode = req.url!.startsWith('/fail') ? 503 : 200
    res.end('{"answer":42,"token":"body-secret"}')
  })
  const backendPort = await listening(backend)
  const common = ['--sample', '0', '--access-log', 'off', '--otlp-schedule-ms', '50']
  const ports = { port: await freePort(), adminPort: await freePort() }
  const service = createServer((req, res) => {
    const { traceparent, authorization = '' } = req.headers
    const headers = { traceparent: String(traceparent), authorization }
    void call(ports.port, req.url!, headers).then(({ status }) => res.end(`behind: ${status}`))
  })
  const servicePort = await listening(service)
  const url = (port: number): string => `http://127.0.0.1:${port}`
  const [back, front] = await Promise.all([
    startInstance(url(backendPort), [...common, ...backFlags, '--service-name', 'back'], ports),
    startInstance(url(servicePort), [...common, ...flags, '--service-name', 'front']),
  ])
  const end = async (): Promise<void> => {
    await Promise.all([front.stop('SIGKILL'), back.stop('SIGKILL')])
    for (const server of [backend, service]) {
      server.closeAllConnections()
      server.close()
    }
  }
  return { front, back, backendPort, end }
}

/** A traceparent of a trace that nobody samples, and its trace id. */
export function unsampled(): { readonly traceId: string; readonly traceparent: string } {
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(Math.random() * 16).toString(16)).join('')
  const traceId = hex(32)
  return { traceId, traceparent: `00-${traceId}-${hex(15)}1-00` }
}
