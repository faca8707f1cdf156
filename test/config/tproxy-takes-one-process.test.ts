import assert from 'node:assert/strict'
import test from 'node:test'
import { accepted, refused } from './support.ts'

test('tproxy with several processes is refused, redirect is not', async () => {
  const flags = { 'intercept.mode': 'tproxy', concurrency: '2' }
  const { faults } = await refused({ flags })
  assert.deepEqual(
    faults.map(({ path, origin, value }) => [path, origin, value]),
    [['concurrency', '--concurrency', '2']],
  )
  await accepted({ flags: { ...flags, concurrency: '1' } })
  await accepted({ flags: { ...flags, 'intercept.mode': 'redirect' } })
  // Rules are written by one process whatever the sidecar has.
  await accepted({ command: 'iptables', flags })
})
