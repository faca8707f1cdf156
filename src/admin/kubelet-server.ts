/**
 * What a sidecar answers the kubelet, at an address of the pod: whether it is ready, and probes of the app that would
 * otherwise test the proxy. Reachable by the whole cluster, so it changes nothing, and probes nothing that it was not
 * configured to.
 */
import type { Readiness } from './admin-server.ts'
import { type AppProbe, type ProbeResult, probeApp } from './app-probe.ts'
import { type ControlRequest, type ControlServer, json, type Reply, startServer } from './http-server.ts'

export interface KubeletServerOptions {
  readonly host: string
  readonly port: number
  readonly readiness: () => Readiness
  readonly podIp: string
  /** By container/kind. */
  readonly probes: Readonly<Record<string, AppProbe>>
}

const PREFIX = '/app-health/'
/** Many more than a kubelet needs, so that whoever holds some open does not keep it out: its probes restart the app. */
const MAX_CONNECTIONS = 1024

/** Start it. Rejects where the address cannot be had. */
export function startKubeletServer(options: KubeletServerOptions): Promise<ControlServer> {
  const underWay = new Map<string, Promise<ProbeResult>>()
  const probe = (name: string, one: AppProbe): Promise<ProbeResult> => {
    const running = underWay.get(name)
    // Whoever asks more often than the app answers gets the same answer: nobody can use this to flood the app.
    if (running !== undefined) return running
    const started = probeApp(one, options.podIp).finally(() => underWay.delete(name))
    underWay.set(name, started)
    return started
  }
  const handler = async ({ method, url }: ControlRequest): Promise<Reply> => {
    if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'GET only' })
    if (url.pathname === '/live') return json(200, { live: true })
    if (url.pathname === '/ready') return readiness(options.readiness())
    const name = url.pathname.startsWith(PREFIX) ? url.pathname.slice(PREFIX.length) : ''
    if (!Object.hasOwn(options.probes, name)) return json(404, { error: 'no such path' })
    const { healthy, detail } = await probe(name, options.probes[name]!)
    return json(healthy ? 200 : 503, { healthy, detail })
  }
  return startServer(options.host, options.port, handler, MAX_CONNECTIONS)
}

const readiness = (now: Readiness): Reply => json(now.ready ? 200 : 503, now)
