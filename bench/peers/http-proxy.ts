/** The peer `http-proxy`, as its README sets it up, with a keep-alive agent. Arguments: listen port, origin port. */
import { Agent, createServer } from 'node:http'
import httpProxy from 'http-proxy'

const [listenPort, originPort] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' })
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${originPort}`, agent })
proxy.on('error', (_error, _req, res) => {
  if (!res.headersSent) res.writeHead(502)
  res.end()
})
createServer((req, res) => proxy.web(req, res)).listen({ port: listenPort!, host: '127.0.0.1', backlog: 4096 })
