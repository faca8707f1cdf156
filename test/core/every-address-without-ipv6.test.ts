/** `::` on a kernel without IPv6 is 0.0.0.0; nothing else changes. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { listenHost } from '../../src/core/listen.ts'

test('every address, by the name that the kernel has for it', () => {
  const [there, missing] = ['/', '/no/such/file']
  assert.equal(listenHost('::', there, 'linux'), '::')
  assert.equal(listenHost('::', missing, 'linux'), '0.0.0.0')
  assert.equal(listenHost('::', missing, 'darwin'), '::')
  assert.equal(listenHost('::1', missing, 'linux'), '::1')
  assert.equal(listenHost('127.0.0.1', missing, 'linux'), '127.0.0.1')
})
