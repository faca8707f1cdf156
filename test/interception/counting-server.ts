/** Run by tests in a namespace: counts the bytes of each connection on `PORT`, from SIGUSR2 on, and tells the sum. */
import { createServer } from 'node:net'

createServer({ pauseOnConnect: true }, (socket) => {
  let bytes = 0
  socket.on('error', (error) => console.log(`error ${error.message} after ${bytes}`))
  socket.on('data', (chunk) => {
    bytes += chunk.length
  })
  socket.on('end', () => console.log(`got ${bytes}`))
  process.once('SIGUSR2', () => socket.resume())
}).listen({ port: Number(process.argv[2]), host: '::' }, () => console.log('listening'))
