/** Run by tests in a namespace: `PORT NAME`: answers each request with what it saw of it. */
import { createServer } from 'node:http'

const [port = '', name = ''] = process.argv.slice(2)
createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { method, url, headers, socket } = request
    const peer = socket.remoteAddress?.replace('::ffff:', '')
    const body = Buffer.concat(chunks).toString('latin1')
    response.end(JSON.stringify({ name, peer, method, url, headers, body }))
  })
}).listen({ port: Number(port), host: '::' }, () => console.log('listening'))
