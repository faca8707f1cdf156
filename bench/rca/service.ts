/**
 * A small service of the range, a process of its own: `NAME ADDRESSES`, with the addresses of the others as JSON. It serves
 * its routes on 80, where its sidecar stands before it, and takes faults on 8080: `/fault/KIND/SIZE/ROUTE`, `/fault/none`.
 */
import { Agent, createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { specOf } from './mesh.ts'
import { Random } from './random.ts'

const [name = '', addresses = '{}'] = process.argv.slice(2)
const spec = specOf(name)
const ipOf = JSON.parse(addresses) as Record<string, string>
const random = new Random(name.length * 7919 + process.pid)
const agent = new Agent({ keepAlive: true, keepAliveMsecs: 2000 })
const HANDED_ON = ['traceparent', 'tracestate', 'x-request-id'] as const
const CALL_TIMEOUT_MS = 1500

let [kind, size, onlyRoute] = ['none', 0, '']
let server: Server | undefined

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  const route = request.url ?? '/'
  const calls = spec.routes[route]
  if (calls === undefined) {
    response.writeHead(404).end()
    return
  }
  if (kind === 'resets' && random.chance(size)) {
    request.socket.resetAndDestroy()
    return
  }
  await sleep(random.around(spec.ms, spec.sigma) + extraMs())
  if (kind === 'cpu-burn') burn(size)
  const fails = kind === 'errors' || (kind === 'route-errors' && route === onlyRoute) || kind === 'retry-storm'
  if (fails && random.chance(size)) {
    response.writeHead(kind === 'retry-storm' ? 503 : 500).end()
    return
  }
  const headers: Record<string, string> = {}
  for (const one of HANDED_ON)
    if (typeof request.headers[one] === 'string') headers[one] = request.headers[one] as string
  for (const [callee, at] of calls) {
    const status = await call(callee, at, headers)
    if (status >= 400) {
      response.writeHead(status === 504 ? 504 : 502).end()
      return
    }
  }
  response.end('{"ok":true}')
}

function extraMs(): number {
  if (kind === 'delay') return random.around(size, 0.1)
  if (kind === 'jitter' && random.chance(0.4)) return random.next() * size
  return 0
}

function burn(ms: number): void {
  const end = performance.now() + random.around(ms, 0.5)
  while (performance.now() < end);
}

/** Status of the answer; 599 where there was none. Failures are tried three times more only where a storm is wanted. */
async function call(callee: string, route: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve) => {
    const host = `${callee}.mesh`
    const options = { host: ipOf[callee], port: 80, path: route, agent, timeout: CALL_TIMEOUT_MS }
    const asked = get({ ...options, headers: { ...headers, host } }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 599))
      answer.on('error', () => resolve(599))
    })
    asked.on('timeout', () => asked.destroy(new Error('timeout')))
    asked.on('error', () => resolve(599))
  })
}

async function listen(): Promise<void> {
  const one = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  one.keepAliveTimeout = 30_000
  await new Promise<void>((resolve) => one.listen(80, '0.0.0.0', resolve))
  server = one
}

createServer((request, response) => {
  const [, , wanted = 'none', amount = '0', ...route] = (request.url ?? '').split('/')
  ;[kind, size, onlyRoute] = [wanted, Number(amount), route.length === 0 ? '' : `/${route.join('/')}`]
  const done = (): void => void response.end('ok')
  if (kind === 'refused' && server !== undefined) {
    server.close()
    server.closeAllConnections()
    server = undefined
    done()
  } else if (kind !== 'refused' && server === undefined) void listen().then(done)
  else done()
}).listen(8080, '0.0.0.0')

setInterval(() => {
  if (kind === 'pause') burn(size)
}, 1000)

await listen()
console.log('listening')
