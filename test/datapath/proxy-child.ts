/** A proxy as a process of its own, whose memory can be watched: `proxy-child.js UPSTREAM_PORT`. */
import { TestProxy } from '../support/proxy.ts'

const proxy = await TestProxy.start(`http://127.0.0.1:${process.argv[2]}`)
process.send?.(proxy.port)
process.once('disconnect', () => process.exit())
