/**
 * Three small services for the demo: web asks orders, orders asks payments. They know nothing of Hopscope; they hand
 * trace headers on as services do. Payments is slow on some calls, fails on some, and drops the connection on some. Now and
 * then its ledger is locked for a while: the incident that the page shows.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface DemoService {
  readonly url: string
  close(): void
}

/** Status and text to answer with; undefined: the connection is reset. */
type Reply = readonly [status: number, body: unknown] | undefined
type Handler = (method: string, path: string, headers: Headers) => Promise<Reply>
type Headers = Readonly<Record<string, string>>

const HANDED_ON = ['traceparent', 'tracestate', 'baggage', 'x-request-id'] as const
const CALL_TIMEOUT_MS = 5000

/** What payments does with one charge after another. */
const MOODS = ['good', 'slow', 'good', 'broken', 'good', 'reset'] as const

/** The ledger is free for so long, then locked for so long, in turn. */
export const FREE_MS = 60_000
const LOCKED_MS = 30_000

export function startPayments({ freeMs = FREE_MS, lockedMs = LOCKED_MS } = {}): Promise<DemoService> {
  const begunMs = performance.now()
  const isLocked = (): boolean => (performance.now() - begunMs) % (freeMs + lockedMs) >= freeMs
  let charges = 0
  let receipts = 0
  return startService(async (method, path) => {
    if (method === 'GET') {
      await work(2, 6)
      // Hopscope asks once more on a new connection: reading a receipt twice does no harm.
      return receipts++ % 3 === 2 ? undefined : [200, { receipt: path.slice('/receipts/'.length) }]
    }
    const mood = MOODS[charges++ % MOODS.length]
    if (isLocked()) await work(900, 1300)
    else if (mood === 'slow') await work(350, 600)
    else await work(12, 40)
    if (mood === 'reset') return undefined
    return mood === 'broken' ? [500, { error: 'ledger is locked' }] : [201, { charge: charges }]
  })
}

export function startOrders(paymentsUrl: string): Promise<DemoService> {
  let orders = 0
  return startService(async (method, path, headers) => {
    await work(3, 9)
    const reading = method === 'GET'
    const target = reading ? `/receipts/${path.slice('/orders/'.length)}` : '/charges'
    const status = await call(reading ? 'GET' : 'POST', paymentsUrl + target, headers)
    await work(1, 4)
    if (status >= 400) return [502, { error: `payments answered ${status}` }]
    return reading ? [200, { order: path.slice('/orders/'.length), paid: true }] : [201, { order: ++orders }]
  })
}

export function startWeb(ordersUrl: string): Promise<DemoService> {
  return startService(async (_method, path, headers) => {
    await work(2, 8)
    const reading = path.startsWith('/orders/')
    if (!reading && !path.startsWith('/checkout/')) return [200, { try: ['/checkout/7', '/orders/7'] }]
    const status = await call(reading ? 'GET' : 'POST', ordersUrl + (reading ? path : '/orders'), headers)
    await work(2, 5)
    return status >= 400 ? [503, { error: 'sorry, try again' }] : [200, { ok: true }]
  })
}

async function startService(handler: Handler): Promise<DemoService> {
  const server = createServer((incoming, response) => {
    answer(incoming, response, handler).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function answer(incoming: IncomingMessage, response: ServerResponse, handler: Handler): Promise<void> {
  incoming.resume()
  const headers: Record<string, string> = {}
  for (const name of HANDED_ON) {
    const value = incoming.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  const reply = await handler(incoming.method ?? 'GET', incoming.url ?? '/', headers)
  if (reply === undefined) {
    incoming.socket.resetAndDestroy()
    return
  }
  const [status, body] = reply
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}

/** Call the next service; its status, 599 where it gave none. */
async function call(method: string, url: string, headers: Headers): Promise<number> {
  try {
    const outgoing = request(url, { method, headers, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    return response.statusCode ?? 599
  } catch {
    // What went wrong is on the trace; a service of the demo only has to say that it did.
    return 599
  }
}

/** Milliseconds of what a database would take. */
function work(leastMs: number, mostMs: number): Promise<void> {
  return sleep(leastMs + Math.random() * (mostMs - leastMs))
}
