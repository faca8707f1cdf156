import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { type RedirectOptions, redirectFaults, renderRules } from '../../src/net/redirect-rules.ts'
import { OPTIONS } from '../interception/programs.ts'

const faults = (more: object): string[] => redirectFaults({ ...OPTIONS, ...more } as RedirectOptions)

test('the defaults are fine', () => {
  assert.deepEqual(faults({}), [])
})

test('root as the proxy user', () => {
  assert.match(faults({ proxyUid: 0 }).join(), /proxyUid: the proxy must not be root/)
})

test('the own port among the intercepted ones, which would be a loop', () => {
  assert.deepEqual(faults({ ports: [80, 15001] }), ['ports: 15001 is the port of the proxy itself'])
})

test('every fault is told at once', () => {
  const many = { port: 0, ports: [], excludeUids: [-1], excludeOutboundCidrs: ['10.0.0.0/33', '0.0.0.0/0'] }
  assert.equal(faults(many).length, 5)
})

const TEMPLATES = ['redirect', 'tproxy'].map((mode) => readFileSync(`iptables/${mode}.rules`, 'utf8'))

test('no text gets through into a rule', () => {
  const evil = fc.oneof(
    fc.string(),
    fc.constantFrom('10.0.0.0/8 -j ACCEPT', '10.0.0.1\n-F', '1.2.3.4/8@port@', '::1%x\n'),
  )
  fc.assert(
    fc.property(
      evil,
      fc.constantFrom('port', 'ports', 'excludeUids', 'excludeOutboundCidrs', 'proxyUid'),
      (text, key) => {
        const value = key === 'port' || key === 'proxyUid' ? text : [text]
        const options = { ...OPTIONS, [key]: value } as unknown as RedirectOptions
        if (redirectFaults(options).length > 0) return
        for (const template of TEMPLATES) {
          for (const line of [...renderRules(template, options, 4), ...renderRules(template, options, 6)]) {
            assert.match(line, /^[-A-Za-z0-9_:./ *![\]]+$/)
            assert.doesNotMatch(line, /ACCEPT|-F/)
          }
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('a network goes to its own family, in the form in which the kernel lists it', () => {
  const options = { ...OPTIONS, excludeOutboundCidrs: ['10.1.2.3/8', 'FD00::1:0:0/96', '10.0.0.0/8'] }
  const networks = (family: 4 | 6): string[] =>
    renderRules(TEMPLATES[0]!, options, family).filter((line) => / -d (?!fe80)/.test(line))
  assert.deepEqual(networks(4), ['-A HOPSCOPE_OUTPUT -d 10.0.0.0/8 -j RETURN'])
  assert.deepEqual(networks(6), ['-A HOPSCOPE_OUTPUT -d fd00::1:0:0/96 -j RETURN'])
})

test('only IPv6 leaves link-local alone', () => {
  const linkLocal = (family: 4 | 6): string[] =>
    renderRules(TEMPLATES[0]!, OPTIONS, family).filter((line) => line.includes(' -d '))
  assert.deepEqual(linkLocal(4), [])
  assert.deepEqual(linkLocal(6), [
    '-A HOPSCOPE_INBOUND -d fe80::/10 -j RETURN',
    '-A HOPSCOPE_OUTPUT -d fe80::/10 -j RETURN',
  ])
})
