/** One persistent gRPC channel to a collector, for unary exports of ready-made bytes. */
import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js'
import type { OpenStream, StreamHandlers } from './recorder/link.ts'

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

/** Where spans go. PEM fields hold the text of the files. */
export interface OtlpTarget {
  /** `http://host:4317`, `https://…` for TLS. */
  readonly endpoint: string
  /** `host:port` to connect to, where that is one of several addresses of the endpoint's name. */
  readonly address?: string | undefined
  readonly caPem: string | undefined
  readonly certPem: string | undefined
  readonly keyPem: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly compression: 'gzip' | 'none'
  readonly version: string
}

export interface ExportAnswer {
  /** gRPC status code, 0 is OK. */
  readonly code: number
  readonly message: string
  readonly response: Uint8Array
  /** `grpc-status-details-bin`. */
  readonly details: Uint8Array | undefined
}

const NOTHING = new Uint8Array(0)
const asIs = (bytes: Buffer): Buffer => bytes

export class OtlpChannel {
  readonly #client: Client
  readonly #metadata = new Metadata()

  /** Throws where the endpoint or the PEM texts are malformed. Does not connect yet. `reconnectMs`: longest wait between tries. */
  constructor(target: OtlpTarget, reconnectMs = 10_000) {
    const url = new URL(target.endpoint)
    const secure = url.protocol === 'https:' || url.protocol === 'grpcs:'
    const bytes = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem))
    this.#client = new Client(
      target.address ?? `${url.hostname}:${url.port === '' ? '4317' : url.port}`,
      secure
        ? credentials.createSsl(bytes(target.caPem), bytes(target.keyPem), bytes(target.certPem))
        : credentials.createInsecure(),
      {
        'grpc.keepalive_time_ms': 20_000,
        'grpc.keepalive_timeout_ms': 5000,
        'grpc.keepalive_permit_without_calls': 1,
        'grpc.initial_reconnect_backoff_ms': Math.min(1000, reconnectMs / 4),
        'grpc.max_reconnect_backoff_ms': reconnectMs,
        // Exports are repeated here, where they are counted; grpc's own retries keep a second copy of each message.
        'grpc.enable_retries': 0,
        // A new channel must mean a new connection: the shared pool would hand out the dead one again.
        'grpc.use_local_subchannel_pool': 1,
        'grpc.service_config_disable_resolution': 1,
        'grpc.primary_user_agent': `hopscope/${target.version}`,
        'grpc.default_compression_algorithm': target.compression === 'gzip' ? 2 : 0,
        'grpc.max_receive_message_length': 1024 * 1024,
        // Certificates are for the name.
        ...(target.address === undefined
          ? {}
          : { 'grpc.ssl_target_name_override': url.hostname, 'grpc.default_authority': url.host }),
      },
    )
    for (const [name, value] of Object.entries(target.headers)) this.#metadata.set(name, value)
  }

  /** Send one request; `done` is called once, at the latest a little after `timeoutMs`. */
  export(request: Buffer, timeoutMs: number, done: (answer: ExportAnswer) => void): void {
    const finish = (error: ServiceError | null, response: Buffer | undefined): void => {
      const details = error?.metadata?.get('grpc-status-details-bin')[0]
      done({
        code: error === null ? 0 : error.code,
        message: error === null ? '' : error.details,
        response: response ?? NOTHING,
        details: details instanceof Buffer ? details : undefined,
      })
    }
    const deadline = Date.now() + timeoutMs
    this.#client.makeUnaryRequest(EXPORT, asIs, asIs, request, this.#metadata.clone(), { deadline }, finish)
  }

  /** A call in which both sides stream, on the same connection. It ends with the channel at the latest. */
  openStream(path: string, { onMessage, onDrain, onEnd }: StreamHandlers): OpenStream {
    const call: ClientDuplexStream<Buffer, Buffer> = this.#client.makeBidiStreamRequest(
      path,
      asIs,
      asIs,
      this.#metadata.clone(),
    )
    let ended = false
    const end = (code: number): void => {
      if (ended) return
      ended = true
      onEnd(code)
    }
    call.on('data', onMessage).on('drain', onDrain)
    // The status comes with the error, or alone where all went well.
    call.on('error', (error: ServiceError) => end(error.code))
    call.on('status', ({ code }: StatusObject) => end(code))
    return {
      send: (message) => !ended && call.write(message),
      cancel: () => call.cancel(),
    }
  }

  /** Whether the other side speaks HTTP/2 with us; where not, connecting is begun. */
  get connected(): boolean {
    return this.#client.getChannel().getConnectivityState(true) === connectivityState.READY
  }

  /** Calls in flight are cancelled. */
  close(): void {
    this.#client.close()
  }
}
