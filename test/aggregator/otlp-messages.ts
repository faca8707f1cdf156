/** Export requests made by protobufjs, an encoder that shares nothing with ours; and a real gRPC client to send them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

interface Encoder {
  readonly requestSerialize: (message: object) => Buffer
}

const types = loadSync('test/telemetry/otlp.proto', { keepCase: true, longs: String })
const { requestSerialize } = (types['otlp.TraceService'] as unknown as { Export: Encoder }).Export

/** A span in the names of trace.proto. */
export interface RawSpan {
  readonly trace_id?: Buffer
  readonly span_id?: Buffer
  readonly parent_span_id?: Buffer
  readonly [field: string]: unknown
}

export const id = (digits: string): Buffer => Buffer.from(digits, 'hex')
export const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
export const SPAN = '00f067aa0ba902b7'

/** A request with the spans of one service. */
export function requestOf(spans: readonly RawSpan[], service = 'shop'): Buffer {
  return requestSerialize({
    resource_spans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { string_value: service } }] },
        scope_spans: [{ scope: { name: 'hopscope', version: '1' }, spans }],
      },
    ],
  })
}

/** Any request, in the names of trace_service.proto. */
export const encoded = (request: object): Buffer => requestSerialize(request)

const asIs = (bytes: Buffer): Buffer => bytes

const UNAVAILABLE = 14

/** Send as senders do: again while the aggregator is behind, as it may be on a busy machine. */
export async function sendOn(port: number, request: Buffer): Promise<void> {
  for (;;) {
    try {
      await send(port, request)
      return
    } catch (error) {
      if ((error as ServiceError).code !== UNAVAILABLE) throw error
    }
    await sleep(100)
  }
}

/** Resolves to the bytes of the response; rejects with the gRPC error. */
export async function send(port: number, request: Buffer, { gzip = false } = {}): Promise<Buffer> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    // 2 is gzip (compression-algorithms of @grpc/grpc-js).
    ...(gzip && { 'grpc.default_compression_algorithm': 2 }),
  })
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest<Buffer, Buffer>(
        '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        asIs,
        asIs,
        request,
        new Metadata(),
        { deadline: new Date(Date.now() + 8000) },
        (error: ServiceError | null, response?: Buffer) =>
          error === null && response !== undefined ? resolve(response) : reject(error ?? new Error('no response')),
      )
    })
  } finally {
    client.close()
  }
}
