/**
 * 20,000 random streams against llhttp, and against themselves in other pieces. `differential-million.ts` is the same
 * at length; DIFFERENTIAL_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Differential, emptyReport } from './differential.ts'

const CASES = 10_000

test(`${CASES} random streams are read as llhttp reads them, or refused, and the same in any pieces`, (t) => {
  const seed = Number(process.env.DIFFERENTIAL_SEED ?? Math.floor(Math.random() * 1e9))
  t.diagnostic(`DIFFERENTIAL_SEED=${seed}`)
  const report = emptyReport()
  const requests = new Differential('request', report)
  const responses = new Differential('response', report)
  for (let i = 0; i < CASES; i++) (i % 3 === 0 ? responses : requests).run(seed + i)
  t.diagnostic(`${report.splits} readings in pieces, ${report.agreed} alike, ${report.bothRefused} refused by both`)
  assert.deepEqual(report.faults, [])
  assert.ok(report.agreed > CASES / 5, `only ${report.agreed} streams were good enough to be read to the end`)
})
