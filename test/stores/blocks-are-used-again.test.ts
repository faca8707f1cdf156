import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockArena, Staging } from '../../src/stores/block-arena.ts'

const staging = new Staging()

function put(arena: BlockArena, bytes: Buffer): number {
  bytes.copy(staging.bytes)
  return arena.put(staging, bytes.length)
}

test('records of any size, shortened and dropped in any order, are what was put', () => {
  const step = fc.oneof(
    fc.record({ what: fc.constant('put' as const), size: fc.integer({ min: 1, max: staging.bytes.length }) }),
    fc.record({
      what: fc.constant('shorten' as const),
      pick: fc.nat(),
      to: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ what: fc.constant('drop' as const), pick: fc.nat() }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const arena = new BlockArena()
      const held = new Map<number, Buffer>()
      const picked = (pick: number): number | undefined => [...held.keys()][pick % Math.max(1, held.size)]
      for (const step of steps) {
        if (step.what === 'put') {
          const bytes = randomBytes(step.size)
          const record = put(arena, bytes)
          assert.ok(!held.has(record), 'a number that is held is not given again')
          held.set(record, bytes)
          continue
        }
        const record = picked(step.pick)
        if (record === undefined) continue
        if (step.what === 'drop') {
          arena.drop(record)
          held.delete(record)
          continue
        }
        const length = Math.max(1, Math.floor(held.get(record)!.length * step.to))
        arena.shorten(record, length)
        held.set(record, held.get(record)!.subarray(0, length))
      }
      for (const [record, bytes] of held) {
        assert.deepEqual(arena.get(record), bytes)
        assert.equal(arena.lengthOf(record), bytes.length)
        if (bytes.length >= 4) assert.equal(arena.headOf(record), bytes.readUInt32LE(0))
      }
    }),
    { numRuns: 200 },
  )
})

test('what was dropped makes room: as many again take no more memory', () => {
  const arena = new BlockArena()
  const bytes = randomBytes(2000)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  for (let round = 0; round < 20; round++) {
    const records = Array.from({ length: 500 }, () => put(arena, bytes))
    for (const record of records) arena.drop(record)
    const grown = process.memoryUsage().arrayBuffers - before
    if (round === 0) most = grown
    else assert.ok(grown < most + 256 * 1024, `${grown} bytes after ${most}`)
  }
})
