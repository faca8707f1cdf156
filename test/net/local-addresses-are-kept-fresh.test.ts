import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { LocalAddresses } from '../../src/net/local-addresses.ts'
import { endsAtListener } from '../../src/net/own-listener.ts'

function fixture(): { addresses: LocalAddresses; list: string[]; reads: () => number; pass(us: number): void } {
  const list = ['10.0.0.1', 'FD00:0:0::1', 'fe80::1']
  let now = 0
  let reads = 0
  const read = (): string[] => {
    reads++
    return list
  }
  const addresses = new LocalAddresses(read, () => now)
  return { addresses, list, reads: () => reads, pass: (us) => (now += us) }
}

test('spellings of one address are the same', () => {
  const { addresses } = fixture()
  for (const one of ['10.0.0.1', '::ffff:10.0.0.1', 'fd00::1', 'fd00:0:0:0:0:0:0:1', 'fe80::1%eth0', 'fe80::1%3']) {
    assert.equal(addresses.has(one), true, one)
  }
  for (const one of ['10.0.0.2', 'fd00::2', '', 'x', '__proto__']) assert.equal(addresses.has(one), false, one)
})

test('loopback and the unspecified address are local without being listed', () => {
  const { addresses } = fixture()
  for (const one of ['127.0.0.1', '127.9.9.9', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1']) {
    assert.equal(addresses.has(one), true, one)
  }
})

test('an address that was added is found within 100 ms, one that was removed is gone within a second', () => {
  const { addresses, list, pass } = fixture()
  assert.equal(addresses.has('10.0.0.2'), false)
  list.push('10.0.0.2')
  pass(100_000)
  assert.equal(addresses.has('10.0.0.2'), true)
  list.splice(0)
  pass(1_000_000)
  assert.equal(addresses.has('10.0.0.1'), false)
})

test('misses, which peers can cause, do not cause a reading each', () => {
  const { addresses, reads, pass } = fixture()
  for (let i = 0; i < 10_000; i++) {
    addresses.has(`10.9.${i >> 8}.${i & 255}`)
    pass(100)
  }
  assert.ok(reads() <= 11, `${reads()} readings in a second`)
})

test('the real interfaces of this host', () => {
  const addresses = new LocalAddresses()
  for (const entry of Object.values(networkInterfaces()).flat()) assert.equal(addresses.has(entry!.address), true)
  assert.equal(addresses.has('192.0.2.77'), false)
})

test('a dialled socket ends at our own listener, or at another one of the same port', () => {
  const addresses = { has: (address: string) => ['127.0.0.1', '10.0.0.5', '::1', 'fd00::5'].includes(address) }
  const cases: readonly (readonly [listener: string, met: string, expected: boolean])[] = [
    ['0.0.0.0', '127.0.0.1', true],
    ['0.0.0.0', '10.0.0.5', true],
    ['0.0.0.0', '10.0.0.6', false],
    ['0.0.0.0', '::1', false],
    ['::', 'fd00:0::5', true],
    ['::', '::ffff:10.0.0.5', true],
    ['::', 'fd00::6', false],
    ['127.0.0.1', '::ffff:127.0.0.1', true],
    ['127.0.0.1', '10.0.0.5', false],
  ]
  for (const [host, remoteAddress, expected] of cases) {
    const ends = (remotePort: number) => endsAtListener({ remoteAddress, remotePort }, { host, port: 80 }, addresses)
    assert.equal(ends(80), expected, `${host} ${remoteAddress}`)
    assert.equal(ends(81), false)
  }
})
