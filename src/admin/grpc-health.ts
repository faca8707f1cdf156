/** One call of grpc.health.v1.Health/Check, with the few bytes of protobuf that it takes written by hand. */
import { connect } from 'node:http2'
import { isIPv6 } from 'node:net'
import type { ProbeResult } from './app-probe.ts'

const SERVING = 1
const MAX_ANSWER_BYTES = 1024

/** Rejects where no answer is had. */
export function grpcHealth(host: string, port: number, service: string, signal: AbortSignal): Promise<ProbeResult> {
  const session = connect(`http://${isIPv6(host) ? `[${host}]` : host}:${port}`)
  const answer = new Promise<ProbeResult>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    session.once('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      'user-agent': 'kube-probe/hopscope',
      te: 'trailers',
    })
    let grpcStatus = ''
    let body = Buffer.alloc(0)
    const take = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) grpcStatus = String(headers['grpc-status'])
    }
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('data', (chunk: Buffer) => {
      if (body.length + chunk.length > MAX_ANSWER_BYTES) return stream.destroy(new Error('the answer is too large'))
      body = Buffer.concat([body, chunk])
      return undefined
    })
    stream.on('error', reject)
    stream.on('end', () => resolve(resultOf(grpcStatus, body)))
    stream.end(framed(healthRequest(service)))
  })
  return answer.finally(() => session.destroy())
}

/** `HealthCheckRequest { string service = 1; }` */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  if (name.length === 0) return name
  const length = name.length < 128 ? [name.length] : [(name.length & 127) | 128, name.length >> 7]
  return Buffer.concat([Buffer.from([0x0a, ...length]), name])
}

/** Not compressed, then the length. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** `HealthCheckResponse { ServingStatus status = 1; }` */
function resultOf(grpcStatus: string, body: Buffer): ProbeResult {
  if (grpcStatus !== '0') return { healthy: false, detail: `grpc-status ${grpcStatus === '' ? 'missing' : grpcStatus}` }
  const status = body.length >= 7 && body[5] === 0x08 ? body[6]! : 0
  return { healthy: status === SERVING, detail: `serving status ${status}` }
}
