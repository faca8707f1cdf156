/** The peer `http2-proxy` over HTTP/1.1, with a keep-alive agent. Arguments: listen port, origin port. */
import { Agent, createServer, request } from 'node:http'
import proxy from 'http2-proxy'

const [listenPort, originPort] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' })
const options = {
  hostname: '127.0.0.1',
  port: originPort!,
  // Its own default is the global agent, which keeps connections alive as well but limits the idle ones to 256.
  onReq: (_req: unknown, to: object) => request({ ...to, agent }),
}
createServer((req, res) => {
  proxy.web(req, res, options, (error) => {
    if (error === null || error === undefined) return
    if (!res.headersSent) res.writeHead(502)
    res.end()
  })
}).listen({ port: listenPort!, host: '127.0.0.1', backlog: 4096 })
