/** The load programs, each with its result in one form. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ahead, run, runDir } from '../system/processes.ts'
import { REQUEST_HEADERS } from '../workloads.ts'
import type { Measured } from './scenario.ts'

const PATIENCE_MS = 20_000
const script = (name: string): string => fileURLToPath(new URL(`../../../bench/load/${name}`, import.meta.url))
const headers = REQUEST_HEADERS.filter(([name]) => name !== 'Connection')

/** wrk on HTTP/1.1. `more` are arguments before the address. */
export async function wrk(
  url: string,
  connections: number,
  seconds: number,
  more: readonly string[],
): Promise<Measured> {
  const size = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '5s']
  const command = ['wrk', ...size, ...more, url]
  // One request at a time: it is about latency.
  const out = await run(connections === 1 ? ahead(...command) : command, 'rest', seconds * 1000 + PATIENCE_MS)
  const line = /^RESULT (.*)$/m.exec(out)?.[1]
  if (line === undefined) throw new Error(`wrk printed no result: ${out}`)
  const result = JSON.parse(line) as Measured & { brokenConnections: number }
  return { ...result, failed: result.failed + result.brokenConnections }
}

/** Plain GETs. */
export const wrkGet: readonly string[] = [
  '-s',
  script('wrk-report.lua'),
  ...headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
]

/** A new connection, and by TLS a full handshake, for each request. */
export const wrkClose: readonly string[] = ['-s', script('wrk-report.lua'), '-H', 'Connection: close']

/** POSTs of 200 bytes; `keys`: none, a new one for each request, or one for all. */
export const wrkPost = (keys: 'none' | 'unique' | 'same'): readonly string[] => ['-s', script(`wrk-post-${keys}.lua`)]

/** h2load on HTTP/2. `more` are arguments before the address. */
export async function h2load(url: string, seconds: number, more: readonly string[]): Promise<Measured> {
  const size = ['-c', '8', '-m', '16', '-t', '1', '-D', String(seconds), '--warm-up-time', '0']
  const started = performance.now()
  const out = await run(['h2load', ...size, ...more, url], 'rest', seconds * 1000 + PATIENCE_MS)
  const durationUs = (performance.now() - started) * 1000
  const done = /(\d+) done,/.exec(out)
  const good = /(\d+) 2xx/.exec(out)
  if (done === null || good === null) throw new Error(`h2load printed no result: ${out}`)
  return { requests: Number(good[1]), failed: Number(done[1]) - Number(good[1]), durationUs, p99Us: 0 }
}

/** GETs with the headers of the HTTP/1.1 workload. */
export const h2Get: readonly string[] = headers.flatMap(([name, value]) => ['-H', `${name.toLowerCase()}: ${value}`])

/** A unary call of gRPC: one small message, framed. */
export function h2Unary(): readonly string[] {
  const file = join(runDir, 'unary.bin')
  const message = Buffer.from('0a0e637573746f6d65722d3132333435', 'hex')
  writeFileSync(file, Buffer.concat([Buffer.of(0, 0, 0, 0, message.length), message]))
  return ['-d', file, '-H', 'content-type: application/grpc', '-H', 'te: trailers', '-H', 'user-agent: grpc-go/1.60']
}

/** openssl's own load: handshakes that resume a session, each with one request. */
export async function resumedHandshakes(port: number, seconds: number): Promise<Measured> {
  const args = ['s_time', '-connect', `127.0.0.1:${port}`, '-reuse', '-www', '/small', '-time', String(seconds)]
  const out = await run(['openssl', ...args], 'rest', seconds * 1000 + PATIENCE_MS)
  const done = /(\d+) connections in (\d+) real seconds/.exec(out)
  if (done === null) throw new Error(`openssl printed no result: ${out}`)
  return { requests: Number(done[1]), failed: 0, durationUs: seconds * 1e6, p99Us: 0 }
}
