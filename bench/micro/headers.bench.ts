/** What the data path does with a header section once it is parsed: refill, ask, edit, write. */
import { HeaderBlock } from '../../src/core/headers.ts'
import { classifyName, knownId } from '../../src/core/known-names.ts'
import { REQUEST_HEADERS } from '../workloads.ts'
import type { MicroBench } from './harness.ts'

const fields = [['Host', 'shop.example.com'] as const, ...REQUEST_HEADERS]
const text = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
const bytes = Buffer.from(text, 'latin1')

/** Offsets of the fields, as a parser would find them. */
const marks: number[][] = []
let at = 0
for (const [name, value] of fields) {
  const valueStart = at + name.length + 2
  marks.push([at, at + name.length, valueStart, valueStart + value.length])
  at = valueStart + value.length + 2
}

const block = new HeaderBlock()
/** Sections are written into a buffer: a string that was only joined is not made yet. */
const out = Buffer.allocUnsafe(8192)

function refill(): void {
  block.reset()
  for (const mark of marks) {
    block.push(mark[0]!, mark[1]!, mark[2]!, mark[3]!, classifyName(bytes, mark[0]!, mark[1]!), true)
  }
  block.seal(text)
}

const HOST = knownId('host')
const CONNECTION = knownId('connection')
refill()
const untouched = new HeaderBlock()
for (const mark of marks) untouched.push(mark[0]!, mark[1]!, mark[2]!, mark[3]!, 0, true)
untouched.seal(text)

export const benches: readonly MicroBench[] = [
  {
    name: 'classify 13 names',
    run: () => {
      let sum = 0
      for (const mark of marks) sum += classifyName(bytes, mark[0]!, mark[1]!)
      return sum
    },
  },
  {
    name: 'refill 13 fields',
    run: () => {
      refill()
      return block.count
    },
  },
  { name: 'ask for a known field', run: () => block.known(HOST)?.length ?? 0 },
  { name: 'write 13 untouched fields', run: () => out.write(untouched.serialize(), 'latin1') },
  {
    name: 'refill, drop Connection, add two fields, write',
    run: () => {
      refill()
      block.dropKnown(CONNECTION)
      block.appendOwn('x-request-id', '8f14e45f-ceea-467f-a8f2-0c1b2d3e4f50')
      block.appendOwn('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
      return out.write(block.serialize(), 'latin1')
    },
  },
]
