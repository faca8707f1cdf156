/** Run by tests in a namespace: `URL [BODY]`: one request; tells status, headers and body of the answer as JSON. */
import { request } from 'node:http'

const [url = '', body] = process.argv.slice(2)
const method = body === undefined ? 'GET' : 'POST'
const call = request(url, { method, timeout: 5000, headers: { 'x-request-id': 'from-the-client' } }, (response) => {
  let text = ''
  response.setEncoding('latin1')
  response.on('data', (chunk: string) => {
    text += chunk
  })
  response.on('end', () => {
    console.log(JSON.stringify({ status: response.statusCode, headers: response.headers, body: text }))
  })
})
call.on('timeout', () => call.destroy(new Error('timeout')))
call.on('error', (error) => {
  console.log(JSON.stringify({ status: 0, headers: {}, body: (error as NodeJS.ErrnoException).code ?? error.message }))
})
call.end(body)
