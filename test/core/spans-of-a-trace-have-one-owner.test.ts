import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_RECEIVERS, Rendezvous, SLOTS, slotOfBytes, slotOfTrace } from '../../src/core/rendezvous.ts'

const name = fc.stringMatching(/^[a-z0-9.-]{1,20}:[1-9][0-9]{0,4}$/)
const names = fc.uniqueArray(name, { minLength: 1, maxLength: MAX_RECEIVERS - 1 })
const ownersOf = (order: Rendezvous): string[] =>
  Array.from({ length: SLOTS }, (_, slot) => order.names[order.at(slot, 0)]!)

test('the order of a slot holds every receiver once, and does not hang on how they are told', () => {
  fc.assert(
    fc.property(names, fc.nat(SLOTS - 1), (list, slot) => {
      const order = new Rendezvous(list).order(slot)
      assert.deepEqual([...order].sort(), [...list].sort())
      assert.deepEqual(new Rendezvous([...list].reverse()).order(slot), order)
    }),
    { numRuns: 50 },
  )
})

test('one that goes leaves its own slots to the next of each, and moves no other; one that comes takes only its own', () => {
  fc.assert(
    fc.property(names, name, (list, extra) => {
      const others = list.filter((one) => one !== extra)
      if (others.length === 0) return
      const [without, all] = [new Rendezvous(others), new Rendezvous([...others, extra])]
      for (let slot = 0; slot < SLOTS; slot += 7) {
        assert.deepEqual(
          all.order(slot).filter((one) => one !== extra),
          without.order(slot),
        )
      }
    }),
    { numRuns: 50 },
  )
})

test('shares are even, and about one in n moves when one of n goes', () => {
  for (const count of [2, 3, 5, 8, 16]) {
    const list = Array.from({ length: count }, (_, i) => `10.4.0.${i + 1}:4317`)
    const before = ownersOf(new Rendezvous(list))
    const shares = list.map((one) => before.filter((owner) => owner === one).length / SLOTS)
    for (const share of shares) assert.ok(Math.abs(share * count - 1) < 0.25, `${count}: ${shares.join(' ')}`)
    const after = ownersOf(new Rendezvous(list.slice(1)))
    const moved = before.filter((owner, slot) => owner !== after[slot]).length / SLOTS
    assert.equal(moved, shares[0])
  }
})

test('trace ids fall evenly into slots, counted up or random in half of their digits', () => {
  const ids = Array.from({ length: 40_960 }, (_, i) => i.toString(16).padStart(32, '0'))
  for (const list of [ids, ids.map((id) => id.slice(16) + '0'.repeat(16))]) {
    const counts = new Uint32Array(SLOTS)
    for (const id of list) counts[slotOfTrace(id)]!++
    assert.ok(Math.max(...counts) < 40 && counts.filter((count) => count === 0).length < 40)
  }
})

test('bytes and text of an id say the same', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f]{32}$/), fc.nat(9), (id, at) => {
      assert.equal(slotOfBytes(Buffer.from(`${'x'.repeat(at)}${id}`), at), slotOfTrace(id))
    }),
  )
})
