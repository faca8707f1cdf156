/**
 * Probes at intercepted ports would test the proxy: a TCP probe succeeds as soon as the proxy accepts. They are sent to the
 * sidecar's own port instead, which makes the same probe at the app. Probes at other ports go past the proxy anyhow and
 * stay as they are, and so do exec probes.
 */
import { type AppProbeSetting, appProbe } from '../config/schema-kubernetes.ts'
import type { Container, Probe } from './pod.ts'

/** Most that the sidecar takes. */
const MAX_TIMEOUT_MS = 600_000

export const PROBE_KINDS = ['startup', 'readiness', 'liveness'] as const
export type ProbeKind = (typeof PROBE_KINDS)[number]

/** One probe that goes elsewhere now. */
export interface RewrittenProbe {
  readonly container: string
  readonly kind: ProbeKind
  /** What the sidecar does when asked. */
  readonly original: AppProbeSetting
  /** What the kubelet does. */
  readonly probe: Probe
}

export const probeField = (kind: ProbeKind): `${ProbeKind}Probe` => `${kind}Probe`

/** Path at the sidecar's port. */
export const probePath = (container: string, kind: ProbeKind): string => `/app-health/${container}/${kind}`

/** The probes of a container that go to an intercepted port. */
export function rewriteProbes(
  container: Container,
  intercepted: (port: number) => boolean,
  kubeletPort: number,
): RewrittenProbe[] {
  return PROBE_KINDS.flatMap((kind) => {
    const probe = container[probeField(kind)]
    const original = probe == null ? undefined : originalOf(probe, container)
    if (probe == null || original === undefined || !intercepted(original.port)) return []
    // One that the sidecar would refuse, and not start with, stays as it is.
    if (!appProbe.safeParse(original).success) return []
    const { httpGet: _httpGet, tcpSocket: _tcpSocket, grpc: _grpc, ...rest } = probe
    const httpGet = { path: probePath(container.name, kind), port: kubeletPort, scheme: 'HTTP' }
    return [{ container: container.name, kind, original, probe: { ...rest, httpGet } }]
  })
}

function originalOf(probe: Probe, container: Container): AppProbeSetting | undefined {
  // A little less than the kubelet waits, so that it is told why.
  const timeoutMs = Math.min(MAX_TIMEOUT_MS, Math.max(100, (probe.timeoutSeconds ?? 1) * 1000 - 50))
  const { httpGet, tcpSocket, grpc } = probe
  if (httpGet != null) {
    const port = portNumber(httpGet.port, container)
    if (port === undefined) return undefined
    const headers = (httpGet.httpHeaders ?? []).map(({ name, value }) => ({ name, value: value ?? '' }))
    return {
      type: 'http',
      port,
      timeoutMs,
      ...host(httpGet.host),
      path: httpGet.path ?? '/',
      scheme: httpGet.scheme === 'HTTPS' ? 'HTTPS' : 'HTTP',
      ...(headers.length > 0 && { headers }),
    }
  }
  if (tcpSocket != null) {
    const port = portNumber(tcpSocket.port, container)
    return port === undefined ? undefined : { type: 'tcp', port, timeoutMs, ...host(tcpSocket.host) }
  }
  if (grpc != null) return { type: 'grpc', port: grpc.port, timeoutMs, service: grpc.service ?? '' }
  return undefined
}

const host = (name: string | undefined): { host?: string } => (name === undefined || name === '' ? {} : { host: name })

/** Ports of probes may be names of container ports, or digits in a text. */
function portNumber(port: number | string, { ports }: Container): number | undefined {
  if (typeof port === 'number') return port
  if (/^\d{1,5}$/.test(port)) return Number(port)
  return (ports ?? []).find(({ name }) => name === port)?.containerPort
}
