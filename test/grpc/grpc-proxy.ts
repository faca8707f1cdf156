/** A proxy before a gRPC server, which keeps what is known of each call at its end. */
import type { TestContext } from 'node:test'
import type { ErrorCode } from '../../src/core/errors.ts'
import { finalGrpcStatusName } from '../../src/exchange/grpc-status.ts'
import { type ProxyOptions, TestProxy } from '../support/proxy.ts'

export interface Call {
  readonly path: string
  readonly status: string
  readonly error: ErrorCode | undefined
  readonly httpStatus: number
}

export interface GrpcProxy {
  readonly proxy: TestProxy
  readonly port: number
  readonly calls: readonly Call[]
}

export async function startGrpcProxy(
  t: TestContext,
  upstreamPort: number,
  options: ProxyOptions = {},
): Promise<GrpcProxy> {
  const calls: Call[] = []
  const proxy = await TestProxy.start(`http://127.0.0.1:${upstreamPort}`, {
    ...options,
    flags: { 'upstream.protocol': 'h2', ...options.flags },
    stages: [
      ...(options.stages ?? []),
      {
        name: 'calls',
        role: 'observe',
        onFinish(x) {
          calls.push({
            path: x.request.path,
            status: finalGrpcStatusName(x),
            error: x.error?.code,
            httpStatus: x.status,
          })
          return undefined
        },
      },
    ],
  })
  t.after(() => proxy.close())
  return { proxy, port: proxy.port, calls }
}
