/** How each contender is started. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fillTemplate } from '../peers/template.ts'
import { freePort, runDir } from '../system/processes.ts'
import type { Contender, Origins } from './scenario.ts'

const program = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const CERTIFICATE = join(runDir, 'bench.pem')
const KEY = join(runDir, 'bench.key')

/** nginx; `listen` are the words behind the address (`http2`, `ssl`). */
export function nginx(listen: string): Contender {
  return {
    name: 'nginx',
    command: (port, { http1, h2 }) => [
      'nginx',
      '-c',
      fillTemplate('nginx-protocols.conf', { PORT: port, LISTEN: listen, HTTP1: http1, H2: h2 }),
    ],
  }
}

/** nghttpx, in clear text on the client's side. */
export function nghttpx(backend: keyof Origins, protocol: 'h2' | 'http/1.1'): Contender {
  return {
    name: 'nghttpx',
    command: (port, origins) => [
      'nghttpx',
      '--conf=/dev/null',
      `-f127.0.0.1,${port};no-tls`,
      `-b127.0.0.1,${origins[backend]};;proto=${protocol}`,
      '--workers=1',
      '--log-level=FATAL',
    ],
  }
}

/** HAProxy in TCP mode. */
export const haproxyTcp: Contender = {
  name: 'haproxy (tcp)',
  command: (port, { tls }) => ['haproxy', '-db', '-f', fillTemplate('haproxy-tcp.conf', { PORT: port, ORIGIN: tls })],
}

/** Hopscope as a user starts it; `traced`: every span goes to a collector. */
export function hopscope(
  name: string,
  traced: boolean,
  upstream: (origins: Origins) => string,
  flags: readonly string[] = [],
): Contender {
  return {
    name,
    command: async (port, origins) => [
      process.execPath,
      program,
      'proxy',
      '--listen',
      `127.0.0.1:${port}`,
      '--upstream',
      upstream(origins),
      '--metrics',
      `127.0.0.1:${await freePort()}`,
      '--admin',
      'off',
      '--access-log',
      'off',
      ...(traced
        ? ['--otlp-endpoint', `http://127.0.0.1:${origins.otlp}`, '--telemetry-governor-enabled', 'false']
        : []),
      ...flags,
    ],
  }
}

/** Flags for TLS on the client's side. */
export const TLS_FLAGS: readonly string[] = ['--tls-cert', CERTIFICATE, '--tls-key', KEY]
