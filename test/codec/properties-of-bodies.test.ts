/** Bodies that are written are read again as they were, in any pieces; broken ones never end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeaderBlock } from '../../src/core/headers.ts'
import { CHUNKED, UNTIL_CLOSE } from '../../src/core/message.ts'
import { BodyReader } from '../../src/http/message/body-reader.ts'
import { ABSENT, IN_DOUBT, readFraming, writeFraming } from '../../src/http/message/framing.ts'
import { FAULT, SectionReader } from '../../src/http/message/section-reader.ts'
import { MessageWriter } from '../../src/http/message/writer.ts'
import type { Wire } from '../../src/net/wire.ts'
import { LIMITS } from './transcript.ts'

/** The part of a wire that a writer uses. */
class Sheet {
  bytes = Buffer.alloc(0)
  readonly full = false

  writeText(text: string): void {
    this.#keep(Buffer.from(text, 'latin1'))
  }

  writeFramed(before: string, buf: Buffer, start: number, end: number, after: string): void {
    this.#keep(Buffer.concat([Buffer.from(before, 'latin1'), buf.subarray(start, end), Buffer.from(after, 'latin1')]))
  }

  #keep(bytes: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, bytes])
  }
}

interface Reading {
  readonly body: Buffer
  readonly ended: boolean
  readonly trailers: string
  /** Offset behind the body, or FAULT. */
  readonly used: number
}

/** Reads with the bytes coming up to each of the offsets in turn, and what is not used kept for the next time. */
function read(length: number, bytes: Buffer, offsets: readonly number[]): Reading {
  const pieces: Buffer[] = []
  let ended = false
  let trailers = ''
  const reader = new BodyReader(LIMITS, {
    onBody: (buf, start, end) => pieces.push(Buffer.from(buf.subarray(start, end))),
    onBodyEnd: (block) => {
      assert.ok(!ended, 'a body ends once')
      ended = true
      trailers = block?.serialize() ?? ''
    },
  })
  reader.begin(length)
  let used = 0
  for (const end of [...offsets, bytes.length]) {
    const next = reader.read(bytes, used, Math.max(used, end))
    if (next === FAULT) return { body: Buffer.concat(pieces), ended, trailers, used: FAULT }
    used = next
    if (!reader.active) break
  }
  return { body: Buffer.concat(pieces), ended, trailers, used }
}

const offsets = (size: number) => fc.array(fc.nat(size), { maxLength: 10 }).map((all) => all.sort((a, b) => a - b))
const chunk = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 2000, maxLength: 6000 }))
const withCuts = <T extends { bytes: Buffer }>(stream: fc.Arbitrary<T>) =>
  stream.chain((made) => fc.tuple(fc.constant(made), offsets(made.bytes.length)))

const chunkedStream = fc
  .tuple(fc.array(chunk, { maxLength: 6 }), fc.boolean(), fc.uint8Array({ maxLength: 10 }))
  .map(([chunks, trailing, rest]) => {
    const sheet = new Sheet()
    const writer = new MessageWriter(sheet as unknown as Wire)
    writer.begin('', CHUNKED)
    for (const piece of chunks) writer.data(Buffer.from(piece), 0, piece.length)
    writer.end(
      trailing
        ? HeaderBlock.from([
            ['X-Sum', '1'],
            ['Host', 'never'],
          ])
        : undefined,
    )
    const size = sheet.bytes.length
    return { bytes: Buffer.concat([sheet.bytes, rest]), size, body: Buffer.concat(chunks), trailing }
  })

test('chunks that we write are read as they were, and not a byte further', () => {
  fc.assert(
    fc.property(withCuts(chunkedStream), ([{ bytes, size, body, trailing }, cuts]) => {
      const reading = read(CHUNKED, bytes, cuts)
      assert.deepEqual(reading.body, body)
      assert.ok(reading.ended)
      assert.equal(reading.used, size)
      assert.equal(reading.trailers, trailing ? 'X-Sum: 1\r\n' : '')
    }),
  )
})

test('a chunked body that is cut short has not ended', () => {
  fc.assert(
    fc.property(chunkedStream, fc.nat(), ({ bytes, size, body }, at) => {
      const cut = bytes.subarray(0, at % size)
      const reading = read(CHUNKED, cut, [])
      assert.ok(!reading.ended)
      assert.notEqual(reading.used, FAULT)
      assert.deepEqual(reading.body, body.subarray(0, reading.body.length))
    }),
  )
})

test('a counted body ends at its count', () => {
  const stream = fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.uint8Array({ maxLength: 20 }))
    .map(([body, rest]) => ({
      bytes: Buffer.concat([body, rest]),
      body: Buffer.from(body),
    }))
  fc.assert(
    fc.property(withCuts(stream), ([{ bytes, body }, cuts]) => {
      const reading = read(body.length, bytes, cuts)
      assert.deepEqual(reading.body, body)
      assert.ok(reading.ended)
      assert.equal(reading.used, body.length)
    }),
  )
})

test('a body until the close takes everything, and ends with the connection alone', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (raw) => {
      const bytes = Buffer.from(raw)
      const reading = read(UNTIL_CLOSE, bytes, [])
      assert.deepEqual(reading.body, bytes)
      assert.ok(!reading.ended)
    }),
  )
})

function fieldsOf(lines: readonly string[]): HeaderBlock {
  const block = new HeaderBlock()
  const bytes = Buffer.from(
    lines
      .map((line) => `${line}\r\n`)
      .concat('\r\n')
      .join(''),
    'latin1',
  )
  assert.equal(new SectionReader(LIMITS, undefined).read(bytes, 0, bytes.length, block), bytes.length)
  return block
}

const received = fc.array(
  fc.constantFrom(
    'Content-Length: 5',
    'content-length: 005',
    'Content-Length: x',
    'Transfer-Encoding: chunked',
    'transfer-encoding: Chunked',
    'Transfer-Encoding: gzip',
    'X: y',
  ),
  { maxLength: 5 },
)
const length = fc.oneof(fc.nat(), fc.constantFrom(0, CHUNKED, UNTIL_CLOSE, ABSENT, Number.MAX_SAFE_INTEGER))

test('whatever framing came, written framing is one statement, and reads as what was meant', () => {
  fc.assert(
    fc.property(received, length, (lines, meant) => {
      const block = fieldsOf(lines)
      const before = readFraming(block)
      // Only a head whose framing was not in doubt is ever written again.
      fc.pre(before !== IN_DOUBT)
      writeFraming(block, meant)
      const again = fieldsOf(
        block
          .serialize()
          .split('\r\n')
          .filter((line) => line !== ''),
      )
      assert.equal(readFraming(again), meant === UNTIL_CLOSE ? ABSENT : meant)
    }),
    { numRuns: 1000 },
  )
})
