/** The route to an upstream behind a forward proxy, and whether it is wanted. */
import { BlockList, isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Dispatcher } from 'undici'
import { errnoOf } from '../core/errors.ts'
import type { Destination, DialTimeouts } from './dial.ts'
import type { DispatchRoute } from './dispatch-route.ts'

export interface ForwardProxyOptions {
  /** With user and password where the proxy wants them. */
  readonly proxyUrl: string
  readonly destination: Destination
  /** Of the handshake with the upstream, through the tunnel. */
  readonly tls: Pick<ConnectionOptions, 'ca' | 'crl' | 'cert' | 'key' | 'rejectUnauthorized'> & {
    readonly servername?: string | undefined
  }
  readonly timeouts: DialTimeouts
  readonly maxConnections: number
  readonly idleMs: number
  readonly headBytes: number
}

/** Whether `host:port` is reached directly, whatever the proxy: loopback (as Go has it), and what `noProxy` lists. */
export function isExempt(host: string, port: number, noProxy: readonly string[]): boolean {
  const name = host.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1' || name.startsWith('127.')) return true
  return noProxy.some((entry) => matches(name, port, entry.toLowerCase()))
}

function matches(name: string, port: number, entry: string): boolean {
  if (entry === '*') return true
  const [, inBrackets, plain, wanted] = /^(?:\[([^\]]+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? []
  if (wanted !== undefined && isIP(entry) === 0 && Number(wanted) !== port) return false
  const host = isIP(entry) === 6 ? entry : (inBrackets ?? plain ?? entry)
  if (isIP(name) !== 0) return covers(host, name)
  const domain = host.replace(/^\*?\./, '')
  return name === domain || name.endsWith(`.${domain}`)
}

function covers(block: string, address: string): boolean {
  const [base = '', bits] = block.split('/')
  const family = isIP(base)
  if (family === 0 || family !== isIP(address)) return false
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  const full = family === 4 ? 32 : 128
  const prefix = bits === undefined ? full : Number(bits)
  if (!(prefix >= 0 && prefix <= full)) return false
  const list = new BlockList()
  list.addSubnet(base, prefix, kind)
  return list.check(address, kind)
}

/**
 * Clear text goes to the proxy with its target in absolute form, TLS through a tunnel (RFC 9110 §9.3.6). undici is loaded
 * only where this is called.
 */
export async function forwardProxyRoute(options: ForwardProxyOptions): Promise<DispatchRoute> {
  const { Agent, Pool, ProxyAgent } = await import('undici')
  const { destination, timeouts, tls } = options
  const { origin, authorization } = proxyOf(options.proxyUrl)
  const host = destination.host.includes(':') ? `[${destination.host}]` : destination.host
  const upstream = `${destination.tls ? 'https' : 'http'}://${host}:${destination.port}`
  const connect = { timeout: timeouts.connectMs }
  const common = {
    connections: options.maxConnections,
    pipelining: 1,
    keepAliveTimeout: options.idleMs,
    maxHeaderSize: options.headBytes,
  }
  if (!destination.tls) {
    const agent = new Agent({ ...common, connect })
    return {
      dispatcher: agent,
      origin,
      absolute: upstream,
      proxyAuthorization: authorization,
      serverName: undefined,
      fieldsAsPairs: false,
      close: () => void agent.destroy(),
    }
  }
  const serverName = tls.servername ?? destination.host
  // Checked against the address all the same, but no address may be in SNI (RFC 6066 §3).
  const indicated = isIP(serverName) === 0 ? serverName : undefined
  const agent = new ProxyAgent({
    ...common,
    uri: origin,
    ...(authorization === '' ? {} : { token: authorization }),
    proxyTls: connect as object,
    requestTls: { ...tls, servername: indicated, timeout: timeouts.tlsMs } as object,
    clientFactory: (proxy, settings) => {
      const pool = new Pool(proxy, { ...settings, headersTimeout: timeouts.connectMs })
      const tunnel = pool.connect.bind(pool)
      // undici would dial again for ever where the proxy hangs up: told as what it is, the request fails.
      pool.connect = ((params: Dispatcher.ConnectOptions) => tunnel(params).catch(hungUp)) as typeof pool.connect
      return pool
    },
  })
  return {
    dispatcher: agent,
    origin: upstream,
    absolute: '',
    proxyAuthorization: '',
    serverName,
    fieldsAsPairs: true,
    close: () => void agent.destroy(),
  }
}

function hungUp(cause: Error): never {
  if (errnoOf(cause) !== 'UND_ERR_SOCKET') throw cause
  throw Object.assign(new Error('the forward proxy hung up', { cause }), { code: 'ECONNRESET' })
}

function proxyOf(url: string): { readonly origin: string; readonly authorization: string } {
  const { origin, username, password } = new URL(url)
  if (username === '' && password === '') return { origin, authorization: '' }
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { origin, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}
