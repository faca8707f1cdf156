/** Delays that only a network has: the system's resolver, and the SYN of a connection. */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createPair, type Namespace, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { program } from '../interception/programs.ts'
import { delayIn, shown } from '../support/phases.ts'
import { eventually, type Finished } from '../support/proxy.ts'

const skip = netnsUnavailable()
const DELAY_MS = 300
let pair: Pair

before(async () => {
  if (skip !== false) return
  pair = createPair()
  const server = pair.peer.start(program('http-server', 80, 'peer'))
  await server.line((line) => line === 'listening')
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

function measured(ns: Namespace, ...args: readonly string[]): ReturnType<Namespace['start']> {
  return ns.start([process.execPath, fileURLToPath(new URL('measured-call.js', import.meta.url)), ...args])
}

function isExchange(line: string): boolean {
  return line.startsWith('{')
}

test('a slow DNS server behind the resolver of the system is in dns', { skip }, async (t) => {
  // `ip netns exec` puts this file in the place of /etc/resolv.conf.
  const folder = `/etc/netns/${pair.pod.name}`
  mkdirSync(folder, { recursive: true })
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(`${folder}/resolv.conf`, 'nameserver 127.0.0.1\n')
  const call = measured(pair.pod, 'http://shop.example:80', String(DELAY_MS), pair.peer.v4)
  const seen = JSON.parse(await call.line(isExchange)) as Finished
  assert.equal(seen.status, 200)
  delayIn(seen, 'dns', DELAY_MS)
})

test('a SYN that is held up on its way is in connect', { skip }, async () => {
  // The peer does not say its link address, so that the SYN waits in the kernel until somebody else does.
  const silenced = pair.peer.exec(['sh', '-c', 'echo 8 > /proc/sys/net/ipv4/conf/eth0/arp_ignore'])
  assert.equal(silenced.status, 0, silenced.stderr)
  const mac = pair.peer.exec(['cat', '/sys/class/net/eth0/address']).stdout.trim()
  pair.pod.exec(['ip', 'neigh', 'flush', 'dev', 'eth0'])
  const call = measured(pair.pod, `http://${pair.peer.v4}:80`)
  await call.line((line) => line === 'calling')
  const began = performance.now()
  const waits = (): boolean => pair.pod.exec(['ip', 'neigh', 'show', pair.peer.v4]).stdout.includes('INCOMPLETE')
  await eventually('a SYN that waits', waits)
  await sleep(DELAY_MS)
  const told = pair.pod.exec(['ip', 'neigh', 'replace', pair.peer.v4, 'lladdr', mac, 'nud', 'permanent', 'dev', 'eth0'])
  const heldMs = performance.now() - began
  assert.equal(told.status, 0, told.stderr)
  const seen = JSON.parse(await call.line(isExchange)) as Finished
  assert.equal(seen.status, 200)
  const { connect = 0, ...others } = shown(seen)
  assert.ok(connect >= DELAY_MS && connect < 1.5 * heldMs, `${connect} ms, held ${heldMs} ms`)
  for (const [phase, ms] of Object.entries(others)) assert.ok(ms < DELAY_MS / 2, `${phase} ${ms} ms`)
})
