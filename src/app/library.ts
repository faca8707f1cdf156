/**
 * Hopscope inside a Node program or test: `createProxy({ upstream })` starts a reverse proxy, user stages join its
 * stack and reach the exchange's span through `@opentelemetry/api`.
 */
import { isIPv6 } from 'node:net'
import { faultReport } from '../config/fault.ts'
import { loadConfig } from '../config/load.ts'
import type { Stage } from '../exchange/stage.ts'
import type { DispatcherLike } from '../upstream/dispatch-route.ts'
import { checkOptions } from './library-options.ts'
import { startProxy } from './proxy.ts'

export type { ErrorCode, ProxyError } from '../core/errors.ts'
export type { HeaderBlock } from '../core/headers.ts'
export type { RequestHead, ResponseHead } from '../core/message.ts'
export type { Answer, ConnectionInfo, Exchange, TraceContext } from '../exchange/exchange.ts'
export { PHASES, phaseUs } from '../exchange/exchange.ts'
export { ANSWERED, CONTINUE, type Stage, type Verdict } from '../exchange/stage.ts'
export { spanOf } from '../telemetry/exchange-span.ts'

/** A setting by its path in docs/configuration.md, such as `timeouts.connectMs`. */
export type Settings = Readonly<Record<string, string | number | boolean>>

export interface CreateProxyOptions {
  /** The server to stand before, `http://host:port`. */
  readonly upstream: string
  /** Where to listen; a free port of loopback by default. */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** Stages of your own, behind the built-in ones. */
  readonly stages?: readonly Stage[]
  /**
   * An undici Dispatcher (Agent, ProxyAgent, one composed of interceptors) that carries the requests to `upstream` in
   * place of Hopscope's own client. Close the proxy before it.
   */
  readonly dispatcher?: DispatcherLike
  /** Further settings; those of files and the environment do not count here. */
  readonly settings?: Settings
}

/** A proxy of yours. */
export interface Proxy {
  readonly host: string
  readonly port: number
  /** `http://host:port`, or https where TLS is terminated. */
  readonly url: string
  /** Drain and stop; exchanges in flight may take `deadlineMs` (default: `timeouts.drainMs`). */
  close(deadlineMs?: number): Promise<void>
}

/**
 * Start a reverse proxy. Rejects with a TypeError for options that cannot be meant, a report of every fault in the settings,
 * or the bind error.
 */
export async function createProxy(options: CreateProxyOptions): Promise<Proxy> {
  checkOptions(options)
  const { host = '127.0.0.1', port = 0 } = options.listen ?? {}
  const flags = Object.fromEntries(Object.entries(options.settings ?? {}).map(([path, value]) => [path, String(value)]))
  const loaded = await loadConfig({
    command: 'proxy',
    env: {},
    flags: {
      'log.level': 'warn',
      accessLog: 'off',
      ...flags,
      'upstream.url': options.upstream,
      listen: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    },
  })
  if (!loaded.ok) throw new Error(faultReport(loaded.faults))
  const running = await startProxy({
    command: 'proxy',
    config: loaded.config,
    userStages: options.stages ?? [],
    dispatcher: options.dispatcher,
  })
  const { address } = running
  const name = address.host.includes(':') ? `[${address.host}]` : address.host
  return {
    host: address.host,
    port: address.port,
    url: `${running.secure ? 'https' : 'http'}://${name}:${address.port}`,
    close: async (deadlineMs) => {
      // NaN would never be over.
      if (deadlineMs !== undefined && !(deadlineMs >= 0))
        throw new TypeError(`close: ${deadlineMs}: expected milliseconds`)
      await running.close(deadlineMs)
    },
  }
}
