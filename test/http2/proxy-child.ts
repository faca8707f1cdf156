/** A proxy as a process of its own, whose memory and time can be watched: `proxy-child.js UPSTREAM_PORT [http1]`. */
import { TestProxy } from '../support/proxy.ts'

const [, , port, protocol = 'h2'] = process.argv
const proxy = await TestProxy.start(`http://127.0.0.1:${port}`, { flags: { 'upstream.protocol': protocol } })
process.send?.(proxy.port)
process.on('message', () => process.send?.(process.cpuUsage()))
process.once('disconnect', () => process.exit())
