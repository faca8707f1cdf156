/** Run by tests in a namespace: `HOST PORT BYTES`: hands all bytes to the kernel and exits without waiting for the peer. */
import { connect } from 'node:net'

const [host = '', port = '', bytes = ''] = process.argv.slice(2)
const socket = connect({ host, port: Number(port) }, () => {
  const write = (left: number): void => {
    const chunk = Math.min(left, 4096)
    // Waits only until the kernel has the chunk; what does not fit into its buffer would be lost with the process.
    socket.write(Buffer.alloc(chunk), () => (left === chunk ? process.exit(0) : write(left - chunk)))
  }
  write(Number(bytes))
})
