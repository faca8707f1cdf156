/** Settings of HTTP/2, on either side. */
import { SERVING } from './commands.ts'
import { group, setting } from './setting.ts'
import { bytes, duration, int } from './values.ts'

const MIB = 1024 * 1024

export const http2 = group({
  maxStreams: setting(int(1, 10_000), {
    doc: 'Streams that a client may have open at once on one HTTP/2 connection; more are refused.',
    default: 100,
    commands: SERVING,
  }),
  windowBytes: setting(bytes(65_535, 16 * MIB), {
    doc: 'What a peer may send on one HTTP/2 stream before it was taken.',
    default: 256 * 1024,
    commands: SERVING,
  }),
  idleMs: setting(duration(), {
    doc: 'An HTTP/2 connection without streams, on either side.',
    default: 3_600_000,
    commands: SERVING,
  }),
  pingMs: setting(duration(true), {
    doc: 'Silence after which the peer of an HTTP/2 connection with streams is asked for a sign of life, which may take timeouts.headMs (of upstreams timeouts.upstreamHeadMs). 0: never.',
    default: 30_000,
    commands: SERVING,
  }),
})
