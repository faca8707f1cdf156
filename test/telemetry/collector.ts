/** A real OTLP/gRPC receiver, decoding with protobufjs, whose answers a test can choose. */
import { Metadata, Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

interface AnyValue {
  readonly string_value?: string
  readonly bool_value?: boolean
  readonly int_value?: string
  readonly double_value?: number
  readonly array_value?: { readonly values: readonly AnyValue[] }
}
interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}
interface RawSpan {
  readonly trace_id: Buffer
  readonly span_id: Buffer
  readonly parent_span_id: Buffer
  readonly trace_state: string
  readonly name: string
  readonly kind: number
  readonly start_time_unix_nano: string
  readonly end_time_unix_nano: string
  readonly attributes: readonly KeyValue[]
  readonly dropped_attributes_count: number
  readonly events: readonly { time_unix_nano: string; name: string; attributes: readonly KeyValue[] }[]
  readonly links: readonly { trace_id: Buffer; span_id: Buffer; attributes: readonly KeyValue[] }[]
  readonly status: { readonly message: string; readonly code: number } | null
  readonly flags: number
}
interface RawRequest {
  readonly resource_spans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] }
    readonly schema_url: string
    readonly scope_spans: readonly { readonly scope: { name: string }; readonly spans: readonly RawSpan[] }[]
  }[]
}

export type Plain = string | number | boolean | readonly Plain[]

/** A received span in plain values. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: number
  readonly startNs: bigint
  readonly endNs: bigint
  readonly attributes: Readonly<Record<string, Plain>>
  readonly keys: readonly string[]
  readonly events: readonly { name: string; attributes: Readonly<Record<string, Plain>> }[]
  readonly links: readonly { traceId: string; spanId: string; attributes: Readonly<Record<string, Plain>> }[]
  readonly status: { readonly message: string; readonly code: number } | null
  readonly flags: number
  readonly dropped: number
}

const types = loadSync('test/telemetry/otlp.proto', { keepCase: true, longs: String, defaults: true, oneofs: false })
interface Codec {
  readonly requestDeserialize: (bytes: Buffer) => object
}
const service = (types['otlp.TraceService'] as unknown as { Export: Codec }).Export

const plain = (value: AnyValue): Plain => {
  if (value.array_value) return value.array_value.values.map(plain)
  if (value.int_value !== undefined) return Number(value.int_value)
  return value.string_value ?? value.bool_value ?? value.double_value ?? ''
}
const record = (list: readonly KeyValue[]): Record<string, Plain> =>
  Object.fromEntries(list.map(({ key, value }) => [key, plain(value)]))

/** Decode one export request. */
export function decodeRequest(bytes: Buffer): {
  spans: ReceivedSpan[]
  resource: Record<string, Plain>
  schemaUrl: string
} {
  const request = service.requestDeserialize(bytes) as RawRequest
  const spans = request.resource_spans.flatMap((r) => r.scope_spans.flatMap((s) => s.spans))
  const first = request.resource_spans[0]
  return {
    resource: record(first?.resource.attributes ?? []),
    schemaUrl: first?.schema_url ?? '',
    spans: spans.map((span) => ({
      traceId: span.trace_id.toString('hex'),
      spanId: span.span_id.toString('hex'),
      parentSpanId: span.parent_span_id.toString('hex'),
      traceState: span.trace_state,
      name: span.name,
      kind: span.kind,
      startNs: BigInt(span.start_time_unix_nano),
      endNs: BigInt(span.end_time_unix_nano),
      attributes: record(span.attributes),
      keys: span.attributes.map(({ key }) => key),
      events: span.events.map((event) => ({ name: event.name, attributes: record(event.attributes) })),
      links: span.links.map((link) => ({
        traceId: link.trace_id.toString('hex'),
        spanId: link.span_id.toString('hex'),
        attributes: record(link.attributes),
      })),
      status: span.status,
      flags: span.flags,
      dropped: span.dropped_attributes_count,
    })),
  }
}

/** What to answer an export with; `hang` never answers. */
export type Answer =
  | { readonly code: 0; readonly rejected?: number; readonly message?: string }
  | { readonly code: number; readonly retryMs?: number }
  | 'hang'

export class Collector {
  readonly spans: ReceivedSpan[] = []
  /** Spans of each request that came, answered well or not. */
  readonly requests: { readonly spans: number; readonly at: number; readonly bytes: number }[] = []
  resource: Record<string, Plain> = {}
  metadata: Metadata | undefined = undefined
  peers = new Set<string>()
  answer: (request: number) => Answer = () => ({ code: 0 })
  #server: Server | undefined = undefined
  port = 0

  #scheme = 'http'

  /** `tls`: PEM texts of its own pair, and of the authority that clients must have a certificate of, if any. */
  async start(port = 0, tls?: { cert: Buffer; key: Buffer; clientAuthority?: Buffer }): Promise<this> {
    const pairs = tls === undefined ? [] : [{ cert_chain: tls.cert, private_key: tls.key }]
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(tls.clientAuthority ?? null, pairs, tls.clientAuthority !== undefined)
    this.#scheme = tls === undefined ? 'http' : 'https'
    const server = new Server({ 'grpc.max_receive_message_length': 8 * 1024 * 1024 })
    const asIs = (bytes: Buffer): Buffer => bytes
    server.addService(
      {
        export: {
          path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
          requestStream: false,
          responseStream: false,
          requestSerialize: asIs,
          requestDeserialize: asIs,
          responseSerialize: asIs,
          responseDeserialize: asIs,
        },
      },
      {
        export: (call: { request: Buffer; metadata: Metadata; getPeer(): string }, done: sendUnaryData<Buffer>) => {
          this.metadata = call.metadata
          this.peers.add(call.getPeer())
          this.#serve(call.request, done)
        },
      },
    )
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    this.#server = server
    return this
  }

  get endpoint(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`
  }

  #serve(request: Buffer, done: sendUnaryData<Buffer>): void {
    const decoded = decodeRequest(request)
    this.resource = decoded.resource
    this.requests.push({ spans: decoded.spans.length, at: Date.now(), bytes: request.length })
    const answer = this.answer(this.requests.length)
    if (answer === 'hang') return
    if (answer.code !== 0) {
      const metadata = new Metadata()
      const retryMs = 'retryMs' in answer ? answer.retryMs : undefined
      if (retryMs !== undefined) metadata.set('grpc-status-details-bin', retryDetails(answer.code, retryMs))
      done({ code: answer.code, details: 'as the test asked', metadata })
      return
    }
    this.spans.push(...decoded.spans)
    const { rejected, message } = answer as { rejected?: number; message?: string }
    const partial = rejected === undefined && message === undefined
    done(null, partial ? Buffer.alloc(0) : partialSuccess(rejected ?? 0, message ?? ''))
  }

  /** Drop every connection and listen no more. */
  stop(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
  }
}

const protobuf = (field: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([field * 8 + 2, bytes.length]), bytes])
const integer = (field: number, value: number): Buffer => {
  const bytes = [field * 8]
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

function partialSuccess(rejected: number, message: string): Buffer {
  return protobuf(1, Buffer.concat([integer(1, rejected), protobuf(2, Buffer.from(message))]))
}

function retryDetails(code: number, retryMs: number): Buffer {
  const duration = Buffer.concat([integer(1, Math.floor(retryMs / 1000)), integer(2, (retryMs % 1000) * 1e6)])
  const any = Buffer.concat([
    protobuf(1, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
    protobuf(2, protobuf(1, duration)),
  ])
  return Buffer.concat([integer(1, code), protobuf(2, Buffer.from('busy')), protobuf(3, any)])
}

/** Wait until `check` holds; fails after `deadlineMs` with what `describe` says. */
export async function until(check: () => boolean, describe: () => string, deadlineMs = 8000): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!check()) {
    if (Date.now() > end) throw new Error(`not in time: ${describe()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
