/** Every guard of the decision, on facts alone; the real rules are in test/interception. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProxyError } from '../../src/core/errors.ts'
import { type InterceptFacts, placeAccepted, placeConnection } from '../../src/net/original-dst.ts'

const POD = '10.77.0.2'
const PEER = '10.77.0.3'
const LOCAL = new Set([POD, 'fd77::2', 'fe80::2', '127.0.0.1', '::1'])

function place(
  local: string,
  original: string,
  mode: InterceptFacts['mode'] = 'redirect',
  peerAddress: string = POD,
): string {
  const endpoint = (text: string): { address: string; port: number } => {
    const at = text.lastIndexOf(' ')
    return { address: text.slice(0, at), port: Number(text.slice(at + 1)) }
  }
  const placement = placeConnection({
    mode,
    local: endpoint(local),
    peerAddress,
    original: original.includes(' ') ? endpoint(original) : original,
    ownPorts: [15001],
    isLocal: (address) => LOCAL.has(address),
  })
  if (placement instanceof ProxyError) return `${placement.code} ${placement.errno}`.trimEnd()
  return `${placement.direction} ${placement.destination.address} ${placement.destination.port}`
}

const CASES: readonly (readonly [name: string, local: string, original: string, outcome: string])[] = [
  ['inbound', `${POD} 15001`, `${POD} 80`, `inbound ${POD} 80`],
  ['inbound IPv6', 'fd77::2 15001', 'fd77::2 80', 'inbound fd77::2 80'],
  ['outbound', '127.0.0.1 15001', `${PEER} 80`, `outbound ${PEER} 80`],
  ['outbound IPv6', '::1 15001', 'fd77::3 443', 'outbound fd77::3 443'],
  ['outbound to the app itself', '127.0.0.1 15001', `${POD} 80`, `outbound ${POD} 80`],
  ['guard 1: a peer dials our port', `${POD} 15001`, `${POD} 15001`, 'destination_refused'],
  ['guard 1: the app dials our port', '127.0.0.1 15001', '127.0.0.1 15001', 'loop_detected'],
  ['guard 2: a peer wants a relay', `${POD} 15001`, `${PEER} 80`, 'destination_refused'],
  ['guard 3: outbound to our port', '127.0.0.1 15001', `${POD} 15001`, 'loop_detected'],
  ['guard 3: IPv6', '::1 15001', 'fd77::2 15001', 'loop_detected'],
  ['guard 5: the option fails', `${POD} 15001`, 'ENOENT', 'destination_unknown ENOENT'],
  ['guard 5: outbound', '127.0.0.1 15001', 'ENOPROTOOPT', 'destination_unknown ENOPROTOOPT'],
  ['a destination without port', `${POD} 15001`, `${POD} 0`, 'destination_unknown'],
]
for (const [name, local, original, outcome] of CASES) test(name, () => assert.equal(place(local, original), outcome))

test('TPROXY: the local end is the destination, and tells the direction', () => {
  assert.equal(place(`${POD} 80`, 'ignored', 'tproxy'), `inbound ${POD} 80`)
  assert.equal(place(`${PEER} 80`, 'ignored', 'tproxy'), `outbound ${PEER} 80`)
  assert.equal(place(`${POD} 15001`, 'ignored', 'tproxy'), 'destination_refused')
  assert.equal(place('127.0.0.1 15001', 'ignored', 'tproxy'), 'loop_detected')
  assert.equal(place(`${PEER} 15001`, 'ignored', 'tproxy'), 'loop_detected')
})

test('TPROXY: what is only routed through this host is not relayed', () => {
  assert.equal(place(`${PEER} 80`, 'ignored', 'tproxy', '10.77.0.4'), 'destination_refused')
  assert.equal(place('fd77::3 80', 'ignored', 'tproxy', 'fe80::4%eth0'), 'destination_refused')
  assert.equal(place('fd77::3 80', 'ignored', 'tproxy', 'fd77::2'), 'outbound fd77::3 80')
  assert.equal(place('fd77::3 80', 'ignored', 'tproxy', 'fe80::2%eth0'), 'outbound fd77::3 80')
  assert.equal(place(`${POD} 80`, 'ignored', 'tproxy', '10.77.0.4'), `inbound ${POD} 80`)
})

test('a connection that is closed already', () => {
  const placement = placeAccepted({}, -1, { mode: 'redirect', ownPorts: [15001], isLocal: () => true })
  assert.ok(placement instanceof ProxyError && placement.errno === 'ENOTCONN')
})

test('an IPv4 peer of a dual-stack listener is IPv4 everywhere', () => {
  const socket = { localAddress: '::ffff:10.77.0.2', localPort: 80, remoteAddress: '::ffff:10.77.0.3' }
  const placement = placeAccepted(socket, -1, { mode: 'tproxy', ownPorts: [15001], isLocal: (a) => a === POD })
  assert.deepEqual(placement, { direction: 'inbound', destination: { address: POD, port: 80 } })
})
