import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { type Sign, Warnings } from '../../src/aggregator/diagnosis/warnings.ts'
import { causeAt } from '../../src/aggregator/diagnosis/words.ts'

const sign = (service: string, traceId = ''): Sign => ({
  ...{ key: `certificate ${service} 1`, keepMs: 60_000, traceId },
  cause: () => causeAt('tls_certificate_expiring', { service, from: '', route: '' }, ['it ends soon'], 1),
})

function begin(kept: readonly Incident[] = []): { warnings: Warnings; changes: string[] } {
  const changes: string[] = []
  const warnings = new Warnings(({ summary }, change) => void changes.push(`${change} ${summary}`), kept)
  return { warnings, changes }
}

test('however often it is seen, also over a restart, it is opened once; its traces are the first of them', () => {
  const first = begin()
  for (let i = 0; i < 20; i++) first.warnings.see(sign('shop', `${i}`), 1000 + i * 1000)
  assert.deepEqual(first.changes, ['opened shop: certificate about to expire'])
  const [kept] = first.warnings.list()
  assert.deepEqual(kept?.causes[0]?.traceIds, ['0', '1', '2', '3', '4'])
  const second = begin(JSON.parse(JSON.stringify(first.warnings.list())))
  second.warnings.tick(500_000)
  second.warnings.see(sign('shop'), 520_000)
  second.warnings.tick(560_000)
  assert.deepEqual([second.changes, second.warnings.list()[0]?.id], [[], kept?.id])
  second.warnings.tick(600_000)
  assert.deepEqual(second.changes, ['closed shop: certificate about to expire'])
  assert.deepEqual(
    second.warnings.list().map(({ state }) => state),
    ['closed'],
  )
})

test('what was closed stays closed; others are other incidents; a hundred stand at most', () => {
  const { warnings, changes } = begin()
  for (let i = 0; i < 300; i++) warnings.see(sign(`s${i}`), 1000)
  assert.equal(changes.length, 100)
  assert.equal(new Set(warnings.list().map(({ id }) => id)).size, 100)
  warnings.endAll('certificate s1 ', 2000)
  assert.equal(warnings.size, 99)
  assert.equal(begin(warnings.list()).warnings.size, 99)
})
