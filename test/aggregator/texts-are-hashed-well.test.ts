/** Bloom filters, the table of names and the columns of request ids stand on it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashOf, Names, OTHER } from '../../src/aggregator/intake/names.ts'
import { hashNumber } from '../../src/aggregator/query/search.ts'
import { keyHash, mayHold, TokenSet, tokenOf } from '../../src/aggregator/store/bloom.ts'

const texts = Array.from({ length: 400_000 }, (_, i) => (i % 2 === 0 ? `req-${i}` : `/orders/${i}/items/${i * 7}`))

test('texts that differ little get numbers as different as chance has them', () => {
  const words = new Set<number>()
  const pairs = new Set<bigint>()
  const buckets = new Int32Array(4096)
  for (const text of texts) {
    const bytes = Buffer.from(text)
    const hash = hashOf(bytes, 0, bytes.length)
    words.add(hash)
    pairs.add(hashNumber(text)!)
    buckets[hash & 4095]!++
  }
  // 400,000 of 2^32: nineteen pairs by chance.
  assert.ok(texts.length - words.size < 60, `${texts.length - words.size} collisions`)
  assert.equal(pairs.size, texts.length)
  assert.ok(
    Math.max(...buckets) < 160 && Math.min(...buckets) > 50,
    `${Math.min(...buckets)} to ${Math.max(...buckets)}`,
  )
})

test('a filter lets through all that is in it, and about one in a hundred of the rest', () => {
  const set = new TokenSet()
  const key = Buffer.from('order.id')
  const hash = keyHash(key, 0, key.length)
  for (const text of texts.slice(0, 4000)) {
    const bytes = Buffer.from(text)
    set.add(hash, bytes, 0, bytes.length)
    set.add(hash, bytes, 0, bytes.length)
  }
  const filter = set.take()
  assert.ok(filter.length <= 8192, `${filter.length} bytes`)
  for (const text of texts.slice(0, 4000)) assert.ok(mayHold(filter, tokenOf('order.id', text)), text)
  const others = texts.slice(10_000, 30_000).filter((text) => mayHold(filter, tokenOf('order.id', text)))
  assert.ok(others.length < 400, `${others.length} of 20000`)
  assert.equal(mayHold(set.take(), tokenOf('order.id', texts[0]!)), false)
})

test('names keep their numbers, are bounded, and are found again after a restart', () => {
  const names = new Names({ max: 10_002 })
  const ids = texts.slice(0, 10_000).map((text) => names.add(text))
  assert.deepEqual([ids[0], ids[9999], names.add(texts[5]!)], [2, 10_001, ids[5]])
  assert.deepEqual([names.add('one more'), names.refused], [OTHER, 1])
  const again = new Names()
  again.restore(names.from(2))
  assert.deepEqual([again.add(texts[5]!), again.find(texts[9999]!), again.add('one more')], [ids[5], 10_001, 10_002])
  const cut = new Names({ maxBytes: 4 })
  assert.equal(cut.add('abcdef'), cut.add('abcdxyz'))
})
