/** The scenarios beside HTTP/1.1 with keep-alive: short connections, HTTP/2, gRPC, TLS, passthrough, Idempotency-Key. */
import { join } from 'node:path'
import { runDir } from '../system/processes.ts'
import { haproxyTcp, hopscope, nghttpx, nginx, TLS_FLAGS } from './contenders.ts'
import { h2Get, h2load, h2Unary, resumedHandshakes, wrk, wrkClose, wrkGet, wrkPost } from './loads.ts'
import type { Contender, Scenario } from './scenario.ts'

const http1 = (origins: { http1: number }): string => `http://127.0.0.1:${origins.http1}`
const h2 = (origins: { h2: number }): string => `http://127.0.0.1:${origins.h2}`

const bothWays = (upstream: typeof http1 | typeof h2, flags: readonly string[]): Contender[] => [
  hopscope('hopscope, no spans', false, upstream as typeof http1, flags),
  hopscope('hopscope', true, upstream as typeof http1, flags),
]

/** Hopscope with an Idempotency-Key store; `keys` decides what a request does. */
function keyed(name: string, store: string, keys: 'unique' | 'same', connections = 64): Contender {
  return {
    ...hopscope(name, true, http1, ['--idempotency-store', store]),
    load: (port, seconds) => wrk(`http://127.0.0.1:${port}/small`, connections, seconds, wrkPost(keys)),
  }
}

/** Stores that need nothing else; Redis is added where a server runs. */
export function scenarios(redisPort: number | undefined): Scenario[] {
  const unary = h2Unary()
  const folder = (name: string): string => `file:${join(runDir, name)}`
  return [
    {
      name: 'short',
      title: 'HTTP/1.1: a connection for each request, small JSON',
      unit: 'request',
      contenders: [nginx(''), ...bothWays(http1, [])],
      baseline: 'nginx',
      load: (port, seconds) => wrk(`http://127.0.0.1:${port}/small`, 32, seconds, wrkClose),
    },
    {
      name: 'grpc',
      title: 'HTTP/2 to HTTP/2: unary gRPC, small messages, trailers',
      unit: 'request',
      contenders: [nginx('http2'), nghttpx('h2', 'h2'), ...bothWays(h2, ['--upstream-protocol', 'h2'])],
      baseline: 'nginx',
      load: (port, seconds) => h2load(`http://127.0.0.1:${port}/bench.Orders/Get`, seconds, unary),
      targets: [{ of: 'hopscope', atMost: 1.6 }],
    },
    {
      name: 'h2-h1',
      title: 'HTTP/2 to HTTP/1.1: small JSON, 12 request headers',
      unit: 'request',
      contenders: [nginx('http2'), nghttpx('http1', 'http/1.1'), ...bothWays(http1, [])],
      baseline: 'nginx',
      load: (port, seconds) => h2load(`http://127.0.0.1:${port}/small`, seconds, h2Get),
    },
    {
      name: 'tls',
      title: 'TLS terminated: HTTP/1.1 keep-alive, small JSON',
      unit: 'request',
      contenders: [nginx('ssl'), ...bothWays(http1, TLS_FLAGS)],
      baseline: 'nginx',
      load: (port, seconds) => wrk(`https://127.0.0.1:${port}/small`, 64, seconds, wrkGet),
      targets: [{ of: 'hopscope', atMost: 2 }],
    },
    {
      name: 'tls-full',
      title: 'TLS terminated: a full handshake for each request',
      unit: 'request',
      contenders: [nginx('ssl'), ...bothWays(http1, TLS_FLAGS)],
      baseline: 'nginx',
      load: (port, seconds) => wrk(`https://127.0.0.1:${port}/small`, 16, seconds, wrkClose),
    },
    {
      name: 'tls-resumed',
      title: 'TLS terminated: a resumed handshake for each request, one at a time',
      unit: 'request',
      contenders: [nginx('ssl'), ...bothWays(http1, TLS_FLAGS)],
      baseline: 'nginx',
      load: resumedHandshakes,
    },
    {
      name: 'passthrough',
      title: 'TLS passed through unread: 1 MiB bodies',
      unit: 'MiB',
      contenders: [
        haproxyTcp,
        hopscope('hopscope', true, ({ tls }) => `http://127.0.0.1:${tls}`, [...TLS_FLAGS, '--tls-passthrough', '*']),
      ],
      baseline: 'haproxy (tcp)',
      load: (port, seconds) => wrk(`https://127.0.0.1:${port}/1m`, 32, seconds, wrkGet),
      targets: [{ of: 'hopscope', atMost: 2 }],
    },
    {
      name: 'idempotency',
      title: 'Idempotency-Key: POST of 200 bytes, small JSON',
      unit: 'request',
      contenders: [
        {
          ...hopscope('plain POST', true, http1),
          load: (port, seconds) => wrk(`http://127.0.0.1:${port}/small`, 64, seconds, wrkPost('none')),
        },
        hopscope('GET', true, http1),
        keyed('first use, memory', 'memory', 'unique'),
        keyed('replay, memory', 'memory', 'same'),
        keyed('first use, file', folder('keys-1'), 'unique'),
        keyed('replay, file', folder('keys-2'), 'same'),
        ...(redisPort === undefined
          ? []
          : [
              keyed('first use, redis', `redis://127.0.0.1:${redisPort}`, 'unique'),
              keyed('replay, redis', `redis://127.0.0.1:${redisPort}`, 'same'),
            ]),
      ],
      baseline: 'plain POST',
      load: (port, seconds) => wrk(`http://127.0.0.1:${port}/small`, 64, seconds, wrkGet),
      targets: [
        { of: 'first use, memory', atMost: 1.35 },
        { of: 'replay, memory', atMost: 1, than: 'GET' },
      ],
    },
    {
      name: 'idempotency-latency',
      title: 'Idempotency-Key: latency, one request at a time',
      unit: 'request',
      contenders: [
        {
          ...hopscope('plain POST', true, http1),
          load: (port, seconds) => wrk(`http://127.0.0.1:${port}/small`, 1, seconds, wrkPost('none')),
        },
        keyed('first use, memory', 'memory', 'unique', 1),
        keyed('first use, file', folder('keys-3'), 'unique', 1),
        keyed('first use, file, synced', `${folder('keys-4')}?sync=true`, 'unique', 1),
        ...(redisPort === undefined ? [] : [keyed('first use, redis', `redis://127.0.0.1:${redisPort}`, 'unique', 1)]),
      ],
      baseline: 'plain POST',
      load: (port, seconds) => wrk(`http://127.0.0.1:${port}/small`, 1, seconds, wrkGet),
      targets: [{ of: 'first use, file', p99Us: 2000 }],
    },
  ]
}
