import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { requestOf, send } from '../aggregator/otlp-messages.ts'
import { rawSpan } from '../aggregator/raw-spans.ts'
import { running } from '../aggregator/running.ts'

const spans = ['a', 'b', 'c'].map((trace, i) => rawSpan({ trace, span: '1', failed: i === 0 }))

test('a file that was made before spans had weights is taken over, and each of its spans counts for one', async () => {
  const first = await running()
  await send(first.grpcPort, requestOf(spans))
  await first.stored()
  await first.stop()
  const folder = join(first.folder, 'spans')
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.duckdb'))) {
    const file = await DuckDBInstance.create(join(folder, name))
    const connection = await file.connect()
    for (const table of ['spans', 'edges']) await connection.run(`ALTER TABLE ${table} DROP COLUMN weight`)
    connection.closeSync()
    file.closeSync()
  }
  const second = await running({}, first.folder)
  try {
    await send(second.grpcPort, requestOf([rawSpan({ trace: 'd', span: '1' })]))
    await second.stored()
    const { services } = await second.ask<{ services: { calls: number; errors: number }[] }>('hopscope/services')
    assert.deepEqual([services[0]!.calls, services[0]!.errors], [4, 1])
    const { edges } = await second.ask<{ edges: { calls: number }[] }>('hopscope/map')
    assert.equal(edges[0]!.calls, 4)
  } finally {
    await second.stop()
    rmSync(first.folder, { recursive: true, force: true })
  }
})
