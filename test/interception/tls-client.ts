/**
 * Run by tests in a namespace: `HOST PORT SERVERNAME BYTES [TLSv1.2]`: sends so many bytes over TLS; tells what was
 * agreed on and how many came back.
 */
import { connect, type SecureVersion } from 'node:tls'

const [host = '', port = '', servername = '', bytes = '', version = 'TLSv1.3'] = process.argv.slice(2)
const socket = connect({
  host,
  port: Number(port),
  servername,
  ALPNProtocols: ['h2', 'http/1.1'],
  maxVersion: version as SecureVersion,
  // Who the server is does not matter here: the proxy has no part in it.
  rejectUnauthorized: false,
})
const wanted = Number(bytes)
let got = 0
let agreed = {}
socket.setTimeout(5000, () => socket.destroy(new Error('timeout')))
socket.once('secureConnect', () => {
  agreed = { protocol: socket.getProtocol(), alpn: socket.alpnProtocol }
  socket.write(Buffer.alloc(wanted))
})
socket.on('data', (chunk: Buffer) => {
  got += chunk.length
  if (got >= wanted) socket.end()
})
socket.on('error', (error) => console.log(`error ${error.message}`))
socket.on('close', () => console.log(JSON.stringify({ got, ...agreed })))
