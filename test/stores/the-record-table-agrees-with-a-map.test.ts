import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NONE } from '../../src/core/row-index.ts'
import { REMAINS, RESPONSES, RecordTable } from '../../src/stores/record-table.ts'

/** The same by a map and arrays: ids, oldest first. */
class Model {
  readonly lists: [string[], string[]] = [[], []]
  readonly kept = new Map<string, number>()

  put(id: string, list: 0 | 1, kept: number): void {
    this.remove(id)
    this.lists[list].push(id)
    this.kept.set(id, kept)
  }
  listOf(id: string): 0 | 1 {
    return this.lists[0].includes(id) ? RESPONSES : REMAINS
  }
  remove(id: string): void {
    for (const list of this.lists) if (list.includes(id)) list.splice(list.indexOf(id), 1)
    this.kept.delete(id)
  }
}

const ids = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => `id-${n}`),
  fc.string({ maxLength: 3, unit: 'binary-ascii' }),
)
const act = fc.record({
  do: fc.constantFrom('put', 'put', 'put', 'use', 'move', 'remove', 'drop oldest', 'clear'),
  id: ids,
  list: fc.constantFrom(RESPONSES, REMAINS),
})

function check(table: RecordTable, model: Model): void {
  for (const list of [RESPONSES, REMAINS] as const) {
    const expected = model.lists[list].map((id) => model.kept.get(id)!)
    assert.deepEqual([...table.values(list)], expected)
    assert.equal(
      table.bytesOf(list),
      expected.reduce((sum, kept) => sum + kept * 3, 0),
    )
    const oldest = table.oldest(list)
    assert.equal(oldest === NONE ? undefined : table.keptAt(oldest), expected[0])
  }
  for (const [id, kept] of model.kept) assert.equal(table.keptAt(table.find(id)), kept, id)
}

test('whatever is put, used, moved and removed, table and lists are as a map and arrays say', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), (acts) => {
      const model = new Model()
      const idOf = new Map<number, string>()
      const table = new RecordTable((kept, id) => idOf.get(kept as number) === id)
      let made = 0
      for (const { do: what, id, list } of acts) {
        const row = table.find(id)
        assert.equal(row !== NONE, model.kept.has(id), id)
        if (what === 'clear') {
          table.clear()
          for (const known of [...model.kept.keys()]) model.remove(known)
        } else if (what === 'drop oldest') {
          const oldest = table.oldest(list)
          if (oldest === NONE) continue
          model.remove(model.lists[list][0]!)
          table.remove(oldest)
        } else if (row === NONE) {
          idOf.set(++made, id)
          assert.equal(table.add(id, made, list, made * 3), table.find(id))
          model.put(id, list, made)
        } else if (what === 'remove') {
          table.remove(row)
          model.remove(id)
        } else if (what === 'move') {
          idOf.set(++made, id)
          table.move(row, made, list, made * 3)
          model.put(id, list, made)
        } else {
          table.use(row)
          model.put(id, model.listOf(id), model.kept.get(id)!)
        }
        check(table, model)
      }
    }),
    { numRuns: 300 },
  )
})

test('ten thousand ids, half of them removed, and as many again: each is found, none that is gone', () => {
  const ids: string[] = []
  const table = new RecordTable((kept, id) => ids[kept as number] === id)
  const fill = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      ids[i] = `id ${i}`
      table.add(ids[i]!, i, i % 3 === 0 ? REMAINS : RESPONSES, 1)
    }
  }
  fill(0, 10_000)
  for (let i = 0; i < 10_000; i += 2) table.remove(table.find(`id ${i}`))
  fill(10_000, 20_000)
  for (let i = 0; i < 20_000; i++) {
    const gone = i < 10_000 && i % 2 === 0
    const row = table.find(`id ${i}`)
    assert.equal(row === NONE, gone, `id ${i}`)
    if (!gone) assert.equal(table.keptAt(row), i)
  }
  assert.equal(table.bytesOf(RESPONSES) + table.bytesOf(REMAINS), 15_000)
})
