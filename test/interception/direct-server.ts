/** Run by tests in a namespace: listens on `PORT` of every address and says who called to each client. */
import { createServer } from 'node:net'

const [port = '', name = ''] = process.argv.slice(2)
createServer((socket) => {
  socket.on('error', () => {})
  socket.end(`direct ${name} ${socket.remoteAddress?.replace('::ffff:', '')}\n`)
}).listen({ port: Number(port), host: '::' }, () => console.log('listening'))
