/** Calls of an app, 25 a second to the URL given: each other one with a body of 20 kB, the rest with one of 100 bytes. */
import { Agent, request } from 'node:http'

const [url] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })
let calls = 0
setInterval(() => {
  const body = Buffer.alloc(calls++ % 2 === 0 ? 20_000 : 100, 'x')
  const asked = request(url!, { method: 'POST', agent, headers: { 'content-length': body.length } })
  asked.on('response', (response) => response.resume())
  asked.on('error', () => {})
  asked.end(body)
}, 40)
