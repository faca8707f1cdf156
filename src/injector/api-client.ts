/** The two calls that the injector makes to the Kubernetes API, by the token of its service account. */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

export interface ApiClientOptions {
  readonly host: string
  readonly port: number
  /** PEM of the cluster's authority. */
  readonly authority: string
  /** Read for each call: the kubelet replaces it before it ends. */
  readonly tokenFile: string
  readonly timeoutMs?: number
}

export interface ApiAnswer {
  readonly status: number
  readonly body: string
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024

export class ApiClient {
  readonly #options: ApiClientOptions
  readonly #agent: Agent

  constructor(options: ApiClientOptions) {
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4, ca: options.authority })
  }

  get(path: string): Promise<ApiAnswer> {
    return this.#call('GET', path, undefined)
  }

  post(path: string, body: object): Promise<ApiAnswer> {
    return this.#call('POST', path, JSON.stringify(body))
  }

  close(): void {
    this.#agent.destroy()
  }

  #call(method: string, path: string, body: string | undefined): Promise<ApiAnswer> {
    const { host, port, tokenFile, timeoutMs = 10_000 } = this.#options
    return new Promise((resolve, reject) => {
      const token = readFileSync(tokenFile, 'utf8').trim()
      const headers = {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      }
      const signal = AbortSignal.timeout(timeoutMs)
      const call = request({ host, port, path, method, headers, agent: this.#agent, signal }, (response) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too large'))
          else chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        )
      })
      call.on('error', reject)
      call.end(body)
    })
  }
}
