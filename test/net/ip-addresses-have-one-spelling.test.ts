import assert from 'node:assert/strict'
import { SocketAddress } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalCidr, canonicalIp, formatIp, parseIp } from '../../src/core/ip-address.ts'

test('IPv6 as Node and the kernel write it', () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const text = groups.map((one) => one.toString(16)).join(':')
      const ours = canonicalIp(text)
      const theirs = new SocketAddress({ address: text, family: 'ipv6' }).address
      // inet_ntop writes some addresses below ::ffff:ffff with dots; we do so for mapped ones only, as plain IPv4.
      if (theirs.includes('.')) assert.deepEqual(parseIp(ours)?.slice(-4), parseIp(theirs)?.slice(-4))
      else assert.equal(ours, theirs)
    }),
    { numRuns: 5000 },
  )
})

test('bytes to text and back', () => {
  for (const length of [4, 16]) {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (bytes) => {
        assert.deepEqual(parseIp(formatIp(bytes)), bytes)
      }),
    )
  }
})

test('what is no address', () => {
  for (const text of ['', '1.2.3', '01.2.3.4', '1.2.3.256', ':::', 'fd00::1::2', 'g::', 'host', '1.2.3.4%eth0']) {
    assert.equal(parseIp(text), undefined, text)
  }
})

test('networks', () => {
  const cases: Record<string, string | undefined> = {
    '10.1.2.3': '10.1.2.3/32',
    '10.1.2.3/8': '10.0.0.0/8',
    '10.1.255.3/23': '10.1.254.0/23',
    '::1': '::1/128',
    'FD00:ab:ffff::/33': 'fd00:ab:8000::/33',
    '10.0.0.0/': undefined,
    '10.0.0.0/-1': undefined,
    '10.0.0.0/33': undefined,
    '10.0.0.0/8/8': undefined,
    '::ffff:10.0.0.0/104': undefined,
    'fe80::1%eth0/64': undefined,
    '10.0.0.0/8 ': undefined,
  }
  for (const [text, cidr] of Object.entries(cases)) assert.equal(canonicalCidr(text)?.cidr, cidr, text)
})
