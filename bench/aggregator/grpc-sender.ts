/** Export calls over one HTTP/2 connection, several at once; refusals with RetryInfo are sent again. */
import { type ClientHttp2Session, connect } from 'node:http2'

export interface Outcome {
  readonly status: number
  readonly message: string
}

export class GrpcSender {
  readonly #session: ClientHttp2Session

  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1024 * 1024 } })
    this.#session.on('error', () => {})
  }

  send(request: Buffer): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      let outcome: Outcome = { status: -1, message: 'no status' }
      const take = (headers: Readonly<Record<string, unknown>>): void => {
        if (headers['grpc-status'] !== undefined) {
          outcome = { status: Number(headers['grpc-status']), message: String(headers['grpc-message'] ?? '') }
        }
      }
      stream.on('response', take)
      stream.on('trailers', take)
      stream.on('error', reject)
      stream.on('close', () => resolve(outcome))
      stream.resume()
      const prefix = Buffer.alloc(5)
      prefix.writeUInt32BE(request.length, 1)
      stream.write(prefix)
      stream.end(request)
    })
  }

  close(): void {
    this.#session.close()
  }
}
