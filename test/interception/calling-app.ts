/**
 * Run by tests in a namespace: `PORT URL`: an app that calls URL for each request, as old apps do: of the fields of its
 * request `/copy` passes on X-Request-ID, `/plain` nothing. It answers with the status it got.
 */
import { createServer, get } from 'node:http'

const [port = '', url = ''] = process.argv.slice(2)
createServer((request, response) => {
  const id = request.headers['x-request-id'] as string
  const headers = request.url === '/copy' ? { 'x-request-id': id } : {}
  const call = get(url, { headers, agent: false, timeout: 5000 }, (answer) => {
    answer.resume().on('end', () => response.end(`called ${answer.statusCode}`))
  })
  call.on('timeout', () => call.destroy(new Error('timeout')))
  call.on('error', (error) => response.writeHead(500).end(error.message))
}).listen({ port: Number(port), host: '::' }, () => console.log('listening'))
