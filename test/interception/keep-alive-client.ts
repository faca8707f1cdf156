/** Run by tests in a namespace: `HOST PORT PATH`: a request on one connection now, and another at each SIGUSR2; tells each answer. */
import { connect } from 'node:net'

const [host = '', port = '', path = ''] = process.argv.slice(2)
const socket = connect({ host, port: Number(port) })
const send = (): void => {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: app\r\n\r\n`)
}
socket.setEncoding('latin1')
let text = ''
socket.on('data', (arrived: string) => {
  text += arrived
  const body = text.indexOf('\r\n\r\n') + 4
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN)
  if (body < 4 || text.length < body + length) return
  const closes = /\r\nconnection: *close\r\n/i.test(text)
  console.log(JSON.stringify({ status: Number(text.slice(9, 12)), closes, body: text.slice(body) }))
  text = ''
})
socket.on('error', (error) => console.log(`error ${error.message}`))
socket.on('close', () => console.log('closed'))
process.on('SIGUSR2', send)
send()
