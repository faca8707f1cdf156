/** Run by tests in a namespace: `PORT CERT KEY NAME`: answers each request over TLS with what it saw of it. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'

const [port = '', cert = '', key = '', name = ''] = process.argv.slice(2)
createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
  const { method, url, headers } = request
  response.end(JSON.stringify({ name, method, url, host: headers.host, sni: (request.socket as TLSSocket).servername }))
}).listen({ port: Number(port), host: '::' }, () => console.log('listening'))
