/** Run by tests in a namespace: `HOST SERVERNAME CA PATH`: calls port 443; tells the answer, and whose certificate it was. */
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import type { TLSSocket } from 'node:tls'

const [host = '', servername = '', ca = '', path = ''] = process.argv.slice(2)
const named = servername === '' ? {} : { headers: { host: servername } }
const options = {
  host,
  port: 443,
  path,
  servername,
  ca: readFileSync(ca),
  agent: false,
  timeout: 5000,
  // An address has no certificate here; which one was shown is told.
  ...(servername === '' ? { checkServerIdentity: () => undefined } : {}),
  ...named,
}
const call = get(options, (response) => {
  const socket = response.socket as TLSSocket
  const shown = socket.getPeerX509Certificate()?.subject
  let body = ''
  response.setEncoding('utf8').on('data', (piece: string) => {
    body += piece
  })
  response.on('end', () => console.log(JSON.stringify({ status: response.statusCode, shown, body: JSON.parse(body) })))
})
call.on('timeout', () => call.destroy(new Error('timeout')))
call.on('error', (error) => console.log(JSON.stringify({ error: error.message })))
