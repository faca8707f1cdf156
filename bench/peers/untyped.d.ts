/** The parts that the bench uses of two peers that come without types. */
declare module 'http-proxy' {
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http'

  interface ProxyServer {
    web(req: IncomingMessage, res: ServerResponse): void
    on(event: 'error', listener: (error: Error, req: IncomingMessage, res: ServerResponse) => void): this
  }
  const httpProxy: { createProxyServer(options: { target: string; agent: Agent }): ProxyServer }
  export default httpProxy
}

declare module 'http2-proxy' {
  import type { ClientRequest, IncomingMessage, RequestOptions, ServerResponse } from 'node:http'

  interface WebOptions {
    hostname: string
    port: number
    onReq(req: IncomingMessage, options: RequestOptions): ClientRequest
  }
  const proxy: {
    web(req: IncomingMessage, res: ServerResponse, options: WebOptions, onEnd: (error: Error | null) => void): void
  }
  export default proxy
}
