import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Deadlined, Sweeper } from '../../src/core/timers.ts'
import { type Leased, Leases } from '../../src/stages/idempotency/leases.ts'

class Members extends Sweeper {
  readonly list = new Set<Deadlined>()
  override add(member: Deadlined): void {
    this.list.add(member)
  }
  override remove(member: Deadlined): void {
    this.list.delete(member)
  }
}

class Lease implements Leased {
  leaseDueUs = -1
  leaseBefore: Leased | undefined
  leaseAfter: Leased | undefined
  renewed = 0
  onLeaseDue(): void {
    this.renewed++
  }
}

test('whoever is in the list is renewed, once a look, and nobody else is', () => {
  const step = fc.record({ what: fc.constantFrom('add', 'remove', 'look'), who: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const sweeper = new Members()
      const leases = new Leases(sweeper, 1000)
      const all = Array.from({ length: 5 }, () => new Lease())
      const held = new Set<Lease>()
      for (const { what, who } of steps) {
        const one = all[who]!
        if (what === 'add') {
          leases.add(one)
          held.add(one)
        } else if (what === 'remove') {
          leases.remove(one)
          held.delete(one)
        } else {
          const before = all.map(({ renewed }) => renewed)
          const known = sweeper.list.has(leases)
          if (known) leases.onDeadline(Number.POSITIVE_INFINITY)
          for (const [i, lease] of all.entries()) {
            assert.equal(lease.renewed - before[i]!, known && held.has(lease) ? 1 : 0)
          }
          assert.equal(sweeper.list.has(leases), held.size > 0)
        }
        assert.ok(held.size === 0 || sweeper.list.has(leases), 'the sweeper knows of it')
        assert.ok(held.size === 0 || leases.deadlineUs <= Math.min(...[...held].map(({ leaseDueUs }) => leaseDueUs)))
      }
    }),
  )
})
