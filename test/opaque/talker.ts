/**
 * Run by tests in a namespace. `server PORT [HEX]` greets with these bytes and swallows what comes; `client HOST PORT
 * [HEX]` sends them, or waits for a greeting, and hangs up.
 */
import { connect, createServer } from 'node:net'

const [role, ...args] = process.argv.slice(2)

function serve([port = '', greeting = '']: string[]): void {
  createServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
    if (greeting !== '') socket.write(Buffer.from(greeting, 'hex'))
  }).listen({ port: Number(port), host: '::' }, () => console.log('listening'))
}

function call([host = '', port = '', bytes = '']: string[]): void {
  const socket = connect({ host, port: Number(port) }, () => {
    if (bytes !== '') socket.end(Buffer.from(bytes, 'hex'))
  })
  socket.setTimeout(5000, () => socket.destroy(new Error('timeout')))
  socket.on('data', () => socket.end())
  socket.on('error', (error) => console.log(`error ${error.message}`))
  socket.on('close', () => console.log('closed'))
}

if (role === 'server') serve(args)
else call(args)
