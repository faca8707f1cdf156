/** A header block against a plain list of pairs: whatever is read and edited, what is written is what the list says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeaderBlock } from '../../src/core/headers.ts'
import { knownId } from '../../src/core/known-names.ts'
import { FAULT, SectionReader } from '../../src/http/message/section-reader.ts'
import { LIMITS } from './transcript.ts'

const TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"
const name = fc.oneof(
  fc.constantFrom('Host', 'content-length', 'X-A', 'x-a', 'X-B', 'traceparent', 'Cookie', '__proto__', 'connection'),
  fc.string({ unit: fc.constantFrom(...TOKEN_CHARS), minLength: 1, maxLength: 20 }),
)
/** Latin-1 field content, without white space around it. */
const value = fc
  .string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((c) => c !== 0x7f && !(c > 0x7e && c < 0xa0))
      .map((c) => String.fromCharCode(c)),
    maxLength: 30,
  })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const blank = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 })
/** name, white space, value, white space. No tab behind framing fields: that is refused. */
const field = fc.tuple(name, blank, value, fc.string({ unit: fc.constant(' '), maxLength: 2 }))

type Field = readonly [string, string, string, string]
type Pair = [string, string]

const wireOf = (fields: readonly Field[]): Buffer =>
  Buffer.from(`${fields.map(([n, before, v, after]) => `${n}:${before}${v}${after}\r\n`).join('')}\r\n`, 'latin1')

const written = (pairs: readonly Pair[]): string => pairs.map(([n, v]) => `${n}: ${v}\r\n`).join('')

/** Reads in one piece, or cut at this offset with the bytes moved between the calls. */
function read(bytes: Buffer, cut: number): HeaderBlock {
  const block = new HeaderBlock(2)
  const reader = new SectionReader(LIMITS, undefined)
  const at = Math.min(cut, bytes.length - 1)
  assert.equal(reader.read(Buffer.concat([Buffer.from('junk'), bytes.subarray(0, at)]), 4, 4 + at, block), 0)
  assert.equal(reader.read(bytes, 0, bytes.length, block), bytes.length)
  return block
}

const pairsOf = (fields: readonly Field[]): Pair[] => fields.map(([n, , v]) => [n, v])

test('an untouched block is written in canonical form, wherever it was cut', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 70 }), fc.nat(2000), (fields, cut) => {
      const block = read(wireOf(fields), cut)
      assert.equal(block.serialize(), written(pairsOf(fields)))
      assert.deepEqual([...block.entries()], pairsOf(fields))
    }),
  )
})

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** An edit of the block, and the same of the list. */
type Edit = (block: HeaderBlock, pairs: Pair[]) => Pair[]

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(name, value).map(
    ([n, v]): Edit =>
      (block, pairs) => {
        block.append(n, v)
        return [...pairs, [n, v]]
      },
  ),
  name.map(
    (n): Edit =>
      (block, pairs) => {
        block.delete(n)
        return pairs.filter(([other]) => !same(other, n))
      },
  ),
  fc.tuple(name, value).map(
    ([n, v]): Edit =>
      (block, pairs) => {
        block.set(n, v)
        const first = pairs.findIndex(([other]) => same(other, n))
        if (first === -1) return [...pairs, [n, v]]
        // One that was received keeps its place and its spelling; one that was added is added anew, at the end.
        const kept = pairs.filter(([other], i) => i === first || !same(other, n))
        const at = kept.findIndex(([other]) => same(other, n))
        kept[at] = [kept[at]![0], v]
        return kept
      },
  ),
)

test('random edits give what they would give on a list', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 20 }), fc.array(edit, { maxLength: 12 }), (fields, edits) => {
      const block = read(wireOf(fields), 0)
      let pairs = pairsOf(fields)
      const received = new Set(fields.map(([n]) => n.toLowerCase()))
      for (const run of edits) pairs = run(block, pairs)
      // Where an added field was set again, only its place may differ.
      const sort = (all: readonly Pair[]): string[] => all.map(([n, v]) => `${n.toLowerCase()}: ${v}`).sort()
      assert.deepEqual(sort([...block.entries()]), sort(pairs))
      const ofReceived = (all: readonly Pair[]): string[] =>
        all.filter(([n]) => received.has(n.toLowerCase())).map(([n]) => n.toLowerCase())
      assert.deepEqual(new Set(ofReceived([...block.entries()])), new Set(ofReceived(pairs)))
      assert.equal(block.serialize(), written([...block.entries()]))
      for (const [n] of pairs) assert.equal(block.get(n), pairs.find(([other]) => same(other, n))![1])
    }),
  )
})

test('a block that was used before is like a new one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(field, { maxLength: 20 }), fc.array(edit, { maxLength: 5 })), { maxLength: 4 }),
      (uses) => {
        const block = new HeaderBlock(1)
        const reader = new SectionReader(LIMITS, undefined)
        for (const [fields, edits] of uses) {
          const bytes = wireOf(fields)
          reader.reset()
          block.reset()
          assert.equal(reader.read(bytes, 0, bytes.length, block), bytes.length)
          assert.equal(block.serialize(), written(pairsOf(fields)))
          for (const [n] of fields) assert.equal(block.get(n), fields.find(([other]) => same(other, n))![2])
          for (const run of edits) run(block, [])
        }
      },
    ),
  )
})

const CONTENT_LENGTH = knownId('content-length')

test('a known field is put at the place of the first, or at the end, and dropping takes all', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 20 }), fc.nat(1_000_000).map(String), (fields, length) => {
      const block = read(wireOf(fields), 0)
      const pairs = pairsOf(fields)
      const first = pairs.findIndex(([n]) => same(n, 'content-length'))
      block.putKnown(CONTENT_LENGTH, 'Content-Length', length)
      if (first === -1) pairs.push(['Content-Length', length])
      else pairs[first] = [pairs[first]![0], length]
      assert.equal(block.serialize(), written(pairs))
      block.dropKnown(CONTENT_LENGTH)
      const left = first === -1 ? pairs : pairs.filter(([n]) => !same(n, 'content-length'))
      assert.equal(block.serialize(), written(left))
    }),
  )
})

test('no bytes make the reader throw, and a fault is the same in any pieces', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .string({ unit: fc.constantFrom('a', ':', ' ', '\t', '\r\n', '\r', '\n', '\0', '\x7f', '\xff'), maxLength: 60 })
      .map((text) => Buffer.from(text, 'latin1')),
  )
  fc.assert(
    fc.property(bytes, (raw) => {
      const buf = Buffer.from(raw)
      const run = (step: number): string => {
        const block = new HeaderBlock(2)
        const reader = new SectionReader(LIMITS, undefined)
        for (let end = step; ; end += step) {
          const length = reader.read(buf, 0, Math.min(end, buf.length), block)
          if (length === FAULT) return reader.fault
          if (length > 0) return `${length} ${block.serialize()}`
          if (end >= buf.length) return 'more'
        }
      }
      assert.equal(run(1), run(buf.length + 1))
    }),
    { numRuns: 2000 },
  )
})
