/**
 * A small service of the range, a process of its own: `NAME SETUP`, with {@link ServiceSetup} as JSON. It serves its routes
 * on 80, where its sidecar stands before it, or on 443 where it is of somebody else; faults come and go on 8080:
 * `/on/KIND/SIZE/ARGUMENT`, `/off/KIND`, `/deploy`.
 */
import { readFileSync } from 'node:fs'
import { Agent, createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { BLIP_MS } from './distractions.ts'
import { Hoard } from './hoard.ts'
import { type MeshCall, specOf } from './mesh.ts'
import { Pool } from './pool.ts'
import { CONTROL_PORT, EGRESS_PORT } from './ports.ts'
import { Random } from './random.ts'

export interface ServiceSetup {
  /** Addresses of the others, by name. */
  readonly addresses: Readonly<Record<string, string>>
  /** What it takes longer, always; milliseconds. */
  readonly slowMs: number
  /** Folder with NAME.crt, NAME.key and NAME-expired.crt, where it is served over TLS. */
  readonly certificates?: string
}

const HANDED_ON = ['traceparent', 'tracestate', 'x-request-id'] as const
const CALL_TIMEOUT_MS = 1500
/** The body of a report of somebody else's takes so long. */
const REPORT_MS = 800
const STORM_TRIES = 3

const [name = '', setup = '{}'] = process.argv.slice(2)
const { addresses, slowMs, certificates } = JSON.parse(setup) as ServiceSetup
const spec = specOf(name)
const random = new Random(name.length * 7919 + process.pid)
const agent = new Agent({ keepAlive: true, keepAliveMsecs: 2000 })
const hoard = new Hoard(random)
const pool = new Pool()

/** What is wrong, by kind. */
const faults = new Map<string, { readonly size: number; readonly argument: string }>()
let server: Server | TlsServer | undefined

const hits = (kind: string): boolean => {
  const fault = faults.get(kind)
  return fault !== undefined && random.chance(fault.size)
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume()
  const route = request.url ?? '/'
  const calls = spec.routes[route]
  if (calls === undefined) return void response.writeHead(404).end()
  if (hits('resets')) return void request.socket.resetAndDestroy()
  await sleep(random.around(spec.ms, spec.sigma) + slowMs + extraMs())
  if (route === '/report') {
    response.write('{"rows":[')
    await sleep(REPORT_MS)
  }
  const burning = faults.get('cpu-burn')
  if (burning !== undefined) burn(burning.size)
  if (hits('retry-storm')) return void response.writeHead(503).end()
  const isRoute = faults.get('route-errors')?.argument === route
  if (hits('errors') || (isRoute && hits('route-errors'))) return void response.writeHead(500).end()
  const status = await pool.run(faults.get('app-pool')?.size ?? 0, calls.length > 0, () => callAll(calls, request))
  if (status < 400) response.end('{"ok":true}')
  else response.writeHead(status === 504 ? 504 : status === 503 ? 503 : 502).end()
}

/** One after the other; the first status that is a failure, else 200. */
async function callAll(calls: readonly MeshCall[], { headers: given }: IncomingMessage): Promise<number> {
  const headers: Record<string, string> = {}
  for (const one of HANDED_ON) if (typeof given[one] === 'string') headers[one] = given[one] as string
  for (const [callee, route, cached = 0] of calls) {
    if (random.chance(cached)) continue
    let status = await call(callee, route, headers)
    const tries = faults.get('storms')?.argument === callee ? STORM_TRIES : 0
    for (let again = 0; again < tries && status >= 500; again++) status = await call(callee, route, headers)
    // Its own pool is not what failed.
    if (status >= 400) return status === 503 ? 502 : status
  }
  return 200
}

function extraMs(): number {
  let ms = 0
  for (const kind of ['delay', 'cached-delay']) {
    const fault = faults.get(kind)
    if (fault !== undefined) ms += random.around(fault.size, 0.1)
  }
  const jitter = faults.get('jitter')
  if (jitter !== undefined && random.chance(0.4)) ms += random.next() * jitter.size
  return ms
}

function burn(ms: number): void {
  const end = performance.now() + random.around(ms, 0.5)
  while (performance.now() < end);
}

/** Status of the answer; 599 where there was none. What is not of the mesh is called through the proxy beside us. */
function call(callee: string, route: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve) => {
    const host = `${callee}.mesh`
    const at =
      specOf(callee).external === true
        ? { host: '127.0.0.1', port: EGRESS_PORT }
        : { host: addresses[callee] ?? '', port: 80 }
    const options = { ...at, path: route, agent, timeout: CALL_TIMEOUT_MS, headers: { ...headers, host } }
    const asked = get(options, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 599))
      answer.on('error', () => resolve(599))
    })
    asked.on('timeout', () => asked.destroy(new Error('timeout')))
    asked.on('error', () => resolve(599))
  })
}

function certificate(suffix: '' | '-expired'): { cert: Buffer; key: Buffer } {
  const file = (end: string): Buffer => readFileSync(`${certificates}/${name}${end}`)
  return { cert: file(`${suffix}.crt`), key: file(`${suffix}.key`) }
}

async function listen(): Promise<void> {
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch(() => response.destroy())
  }
  const isTls = certificates !== undefined
  const one = isTls ? createTlsServer(certificate(''), handle) : createServer(handle)
  one.keepAliveTimeout = 30_000
  await new Promise<void>((resolve) => one.listen(isTls ? 443 : 80, '0.0.0.0', resolve))
  server = one
}

function refuse(): void {
  server?.close()
  server?.closeAllConnections()
  server = undefined
}

function show(suffix: '' | '-expired'): void {
  if (server === undefined || !('setSecureContext' in server)) return
  server.setSecureContext(certificate(suffix))
  server.closeAllConnections()
}

/** The process would start anew: those in flight finish, and for a while nobody listens. */
async function deploy(): Promise<void> {
  const old = server
  server = undefined
  old?.close()
  old?.closeIdleConnections()
  await sleep(BLIP_MS)
  old?.closeAllConnections()
  await listen()
}

async function change(kind: string, on: boolean): Promise<void> {
  if (kind === 'refused') on ? refuse() : server === undefined && (await listen())
  if (kind === 'cert-expired') show(on ? '-expired' : '')
  if (kind === 'memory') on ? hoard.fill(faults.get(kind)?.size ?? 0) : hoard.empty()
}

createServer((request, response) => {
  const [, wanted = '', kind = '', amount = '0', ...argument] = (request.url ?? '').split('/')
  const on = wanted === 'on'
  if (on) faults.set(kind, { size: Number(amount), argument: argument.join('/').replace('~', '/') })
  else faults.delete(kind)
  const changing = wanted === 'deploy' ? deploy() : change(kind, on)
  changing.then(
    () => response.end('ok'),
    (error: Error) => response.writeHead(500).end(error.message),
  )
}).listen(CONTROL_PORT, '0.0.0.0')

setInterval(() => {
  const pause = faults.get('pause')
  if (pause !== undefined) burn(pause.size)
}, 1000)

await listen()
console.log('listening')
