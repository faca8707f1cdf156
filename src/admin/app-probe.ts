/** Makes a probe of the app as the kubelet would: a new connection each time, from within the pod, past the rules. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, isIPv6 } from 'node:net'
import { grpcHealth } from './grpc-health.ts'

interface Target {
  readonly port: number
  readonly timeoutMs: number
  /** Another host than the pod, as a probe may name one. */
  readonly host?: string | undefined
}

export type AppProbe =
  | (Target & {
      readonly type: 'http'
      readonly path: string
      readonly scheme: 'HTTP' | 'HTTPS'
      readonly headers?: readonly { readonly name: string; readonly value: string }[] | undefined
    })
  | (Target & { readonly type: 'tcp' })
  | { readonly type: 'grpc'; readonly port: number; readonly timeoutMs: number; readonly service: string }

export interface ProbeResult {
  readonly healthy: boolean
  /** For `kubectl describe pod`. */
  readonly detail: string
}

const MAX_BODY_BYTES = 10 * 1024

/** Never rejects. `podIp` is where the app is probed, as the kubelet would. */
export async function probeApp(probe: AppProbe, podIp: string): Promise<ProbeResult> {
  const signal = AbortSignal.timeout(probe.timeoutMs)
  try {
    switch (probe.type) {
      case 'http':
        return await probeHttp(probe, podIp, signal)
      case 'tcp':
        return await probeTcp(probe, probe.host ?? podIp, signal)
      case 'grpc':
        return await grpcHealth(podIp, probe.port, probe.service, signal)
    }
  } catch (error) {
    const late = signal.aborted ? `no answer in ${probe.timeoutMs} ms` : ''
    return { healthy: false, detail: late || (error instanceof Error ? error.message : String(error)) }
  }
}

const bracketed = (host: string): string => (isIPv6(host) ? `[${host}]` : host)

/** Success is 200 to 399, as for the kubelet; a redirect is an answer and is not followed. */
function probeHttp(
  probe: Extract<AppProbe, { type: 'http' }>,
  podIp: string,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const host = probe.host ?? podIp
  const given = probe.headers ?? []
  const has = (name: string): boolean => given.some((one) => one.name.toLowerCase() === name)
  const headers = [
    ...(has('host') ? [] : ['Host', `${bracketed(host)}:${probe.port}`]),
    ...(has('user-agent') ? [] : ['User-Agent', 'kube-probe/hopscope']),
    ...(has('accept') ? [] : ['Accept', '*/*']),
    ...given.flatMap(({ name, value }) => [name, value]),
    ...['Connection', 'close'],
  ]
  const start = probe.scheme === 'HTTPS' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const path = probe.path.startsWith('/') ? probe.path : `/${probe.path}`
    // The kubelet does not verify certificates of probes either.
    const options = { host, port: probe.port, path, headers, agent: false as const, signal, rejectUnauthorized: false }
    const call = start(options, (response) => {
      const status = response.statusCode ?? 0
      const chunks: Buffer[] = []
      let length = 0
      const end = (): void => {
        const text = Buffer.concat(chunks).toString('utf8').slice(0, 200)
        resolve({ healthy: status >= 200 && status < 400, detail: `HTTP ${status}${text === '' ? '' : `: ${text}`}` })
      }
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        chunks.push(chunk)
        if (length <= MAX_BODY_BYTES) return
        end()
        response.destroy()
      })
      response.on('end', end)
      response.on('error', reject)
    })
    call.on('error', reject)
    call.end()
  })
}

function probeTcp({ port }: Target, host: string, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.destroy()
      resolve({ healthy: true, detail: 'connected' })
    })
  })
}
