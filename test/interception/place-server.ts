/**
 * Run by tests in a namespace: listens like the sidecar, places each connection, tells on stdout what it decided and to
 * the client the destination, and closes. `MODE PORT [UID]`; with UID it becomes that user once the socket is bound.
 */
import { createServer, type Socket } from 'node:net'
import { ProxyError } from '../../src/core/errors.ts'
import { bindTransparentSocket } from '../../src/native/transparent-socket.ts'
import { LocalAddresses } from '../../src/net/local-addresses.ts'
import { placeAccepted } from '../../src/net/original-dst.ts'

const [mode = '', portText = '', uid] = process.argv.slice(2)
const port = Number(portText)
const addresses = new LocalAddresses()

const server = createServer((socket: Socket) => {
  socket.on('error', () => {})
  const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd
  const placement = placeAccepted(socket, fd, {
    mode: mode === 'tproxy' ? 'tproxy' : 'redirect',
    ownPorts: [port],
    isLocal: (address) => addresses.has(address),
  })
  const said =
    placement instanceof ProxyError
      ? `refused ${placement.code} ${placement.errno}`.trimEnd()
      : `${placement.direction} ${placement.destination.address} ${placement.destination.port}`
  console.log(said)
  socket.end(`via proxy: ${said}\n`)
})

if (mode === 'tproxy') {
  const fd = bindTransparentSocket('::', port)
  if (typeof fd !== 'number') throw new Error(`${fd.call}: ${fd.errno}`)
  if (uid !== undefined) {
    process.setgroups!([])
    process.setgid!(Number(uid))
    process.setuid!(Number(uid))
  }
  server.listen({ fd }, () => console.log(`listening as ${process.getuid!()}`))
} else {
  server.listen({ port, host: '::' }, () => console.log(`listening as ${process.getuid!()}`))
}
process.on('SIGTERM', () => process.exit(0))
