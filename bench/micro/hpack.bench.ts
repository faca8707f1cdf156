/** HPACK on the fields of a gRPC call and of a browser's request: blocks from a warm table, and those with new values. */
import type { FieldReceiver } from '../../src/core/headers.ts'
import { HpackDecoder } from '../../src/http/message/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/http/message/http2/hpack-encoder.ts'
import { REQUEST_HEADERS } from '../workloads.ts'
import type { MicroBench } from './harness.ts'

type Pairs = readonly (readonly [string, string])[]

const GRPC: Pairs = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/shop.Cart/AddItem'],
  [':authority', 'cart.shop.svc.cluster.local:50051'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
  ['user-agent', 'grpc-node-js/1.14.7'],
  ['grpc-accept-encoding', 'identity,deflate,gzip'],
]
const BROWSER: Pairs = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'shop.example.com'],
  ...REQUEST_HEADERS.map(([name, value]) => [name.toLowerCase(), value] as const),
]
/** What differs from call to call, as tracing has it. */
const fresh = (n: number): Pairs => [
  ['traceparent', `00-0af7651916cd43dd8448eb211c80319c-${n.toString(16).padStart(16, '0')}-01`],
  ['x-request-id', `8f14e45f-ceea-467f-a8f2-${n.toString(16).padStart(12, '0')}`],
  ['grpc-timeout', `${n % 1000}m`],
]
const FRESH = Array.from({ length: 64 }, (_, n) => fresh(n * 7919))

class Count implements FieldReceiver {
  fields = 0
  onField(): void {
    this.fields++
  }
}

function write(encoder: HpackEncoder, pairs: Pairs, more: Pairs): void {
  encoder.begin()
  for (const [name, value] of pairs) encoder.field(name, value)
  for (const [name, value] of more) encoder.field(name, value)
}

function encodeBench(name: string, pairs: Pairs, withFresh: boolean): MicroBench {
  const encoder = new HpackEncoder()
  let n = 0
  return {
    name,
    run: () => {
      write(encoder, pairs, withFresh ? FRESH[n++ & 63]! : [])
      return encoder.length
    },
  }
}

function decodeBench(name: string, pairs: Pairs, withFresh: boolean): MicroBench {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(4096)
  const count = new Count()
  const block = (more: Pairs): Buffer => {
    write(encoder, pairs, more)
    return Buffer.from(encoder.finish())
  }
  const read = (bytes: Buffer): number => decoder.decode(bytes, 0, bytes.length, 65_536, 128, count)
  // Once to fill the table; from then on every block is the same but for the fresh fields, which stay out of it.
  read(block([]))
  const blocks = FRESH.map((more) => block(withFresh ? more : []))
  let n = 0
  return {
    name,
    run: () => {
      read(blocks[n++ & 63]!)
      return count.fields
    },
  }
}

export const benches: readonly MicroBench[] = [
  encodeBench('encode a gRPC call seen before', GRPC, false),
  encodeBench('encode it with three new fields', GRPC, true),
  encodeBench('encode a request of a browser', BROWSER, false),
  decodeBench('decode a gRPC call seen before', GRPC, false),
  decodeBench('decode it with three new fields', GRPC, true),
  decodeBench('decode a request of a browser', BROWSER, false),
]
