/**
 * A proxy as a process of its own, whose memory can be watched: `proxy-child.js UPSTREAM_PORT`. Answers each message with
 * its {@link aliveBytes}.
 */
import { aliveBytes } from '../support/heap.ts'
import { TestProxy } from '../support/proxy.ts'

const proxy = await TestProxy.start(`http://127.0.0.1:${process.argv[2]}`)
process.send?.(proxy.port)
process.on('message', () => process.send?.(aliveBytes()))
process.once('disconnect', () => process.exit())
