/** Run by tests in a namespace: `URL [KEY]`: a GET, or with a key a POST that bears it; tells what came back as JSON. */
import { request } from 'node:http'

const [url = '', key] = process.argv.slice(2)
const keyed = { 'idempotency-key': key, authorization: 'Bearer of-the-test', 'content-type': 'application/json' }
const method = key === undefined ? 'GET' : 'POST'
const headers = key === undefined ? {} : keyed
const call = request(url, { method, headers, agent: false, timeout: 5000 }, (response) => {
  let body = ''
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    body += chunk
  })
  response.on('end', () =>
    console.log(JSON.stringify({ status: response.statusCode, headers: response.headers, body })),
  )
})
call.on('timeout', () => call.destroy(new Error('timeout')))
call.on('error', (error) => console.log(JSON.stringify({ status: 0, headers: {}, body: error.message })))
call.end(key === undefined ? undefined : '{"amount":1}')
