/** The OTLP/gRPC receiver of spans: TraceService/Export (opentelemetry.io/docs/specs/otlp §OTLP/gRPC). */
import { Server, ServerCredentials, type ServerErrorResponse, type sendUnaryData, status } from '@grpc/grpc-js'
import { MessageWriter } from '../core/protobuf.ts'
import { decodeTraceRequest } from './otlp-decode.ts'
import type { ReceivedSpan } from './span.ts'

/** Largest request, unpacked; larger ones are answered RESOURCE_EXHAUSTED. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024

export interface IngestOptions {
  /** Loopback by default. */
  readonly host?: string
  /** 0 for any free port. */
  readonly port: number
  /** Spans of one request, before it is acknowledged. What it throws is answered as INTERNAL. */
  readonly onSpans: (spans: readonly ReceivedSpan[]) => void
}

export interface Ingest {
  readonly host: string
  readonly port: number
  /** Stop at once, with what is in flight. */
  close(): void
}

const PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const asIs = (bytes: Buffer): Buffer => bytes
const ACCEPTED = Buffer.alloc(0)

/** Start to receive. Rejects with the bind error, whose text names the address. */
export async function startIngest({ host = '127.0.0.1', port, onSpans }: IngestOptions): Promise<Ingest> {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_concurrent_streams': 64,
    // Else a second process would bind the same port and take part of the spans.
    'grpc.so_reuseport': 0,
  })
  const shape = { path: PATH, requestStream: false, responseStream: false } as const
  const plain = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs }
  server.addService(
    { export: { ...shape, ...plain } },
    {
      export: ({ request }: { request: Buffer }, done: sendUnaryData<Buffer>) => {
        const answer = accept(request, onSpans)
        if (Buffer.isBuffer(answer)) done(null, answer)
        else done(answer)
      },
    },
  )
  const name = host.includes(':') ? `[${host}]` : host
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${name}:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    )
  })
  return { host, port: bound, close: () => server.forceShutdown() }
}

function accept(request: Buffer, onSpans: IngestOptions['onSpans']): Buffer | Partial<ServerErrorResponse> {
  const decoded = decodeTraceRequest(request)
  if (!decoded.ok) {
    const details = `not an ExportTraceServiceRequest: ${decoded.reason}, at byte ${decoded.offset} of ${request.length}`
    return { code: status.INVALID_ARGUMENT, details }
  }
  try {
    if (decoded.spans.length > 0) onSpans(decoded.spans)
  } catch (error) {
    return { code: status.INTERNAL, details: `spans not taken: ${error instanceof Error ? error.message : error}` }
  }
  return decoded.rejected === 0 ? ACCEPTED : partialSuccess(decoded.rejected)
}

function partialSuccess(rejected: number): Buffer {
  const partial = new MessageWriter().integer(1, rejected).string(2, 'trace id or span id missing or not valid')
  return new MessageWriter().message(1, partial).finish()
}
