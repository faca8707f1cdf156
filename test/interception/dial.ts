/** Run by tests in a namespace: dials `HOST PORT [TEXT]`, sends the text and prints what comes until the end. */
import { connect } from 'node:net'

const [host = '', port = '', text = ''] = process.argv.slice(2)
const socket = connect({ host, port: Number(port), timeout: 5000 }, () => socket.write(text))
socket.pipe(process.stdout)
socket.on('timeout', () => socket.destroy(new Error('timeout')))
socket.on('error', (error) => {
  console.log(`error ${(error as NodeJS.ErrnoException).code ?? error.message}`)
  process.exitCode = 1
})
