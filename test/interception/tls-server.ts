/** Run by tests in a namespace: `PORT CERT KEY`: sends back what comes, over TLS. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:tls'

const [port = '', cert = '', key = ''] = process.argv.slice(2)
const options = { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ['http/1.1'] }
createServer(options, (socket) => {
  socket.on('error', () => {})
  socket.pipe(socket)
}).listen({ port: Number(port), host: '::' }, () => console.log('listening'))
