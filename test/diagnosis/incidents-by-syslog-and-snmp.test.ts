import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAlerts } from '../../src/aggregator/diagnosis/alerts.ts'
import type { Incident } from '../../src/aggregator/diagnosis/incidents.ts'
import { snmpTrap } from '../../src/aggregator/diagnosis/snmp-trap.ts'
import { syslogMessage } from '../../src/aggregator/diagnosis/syslog.ts'
import { silentLogger } from '../../src/core/log.ts'

const HOST = '127.0.0.1'

function incident(summary: string, evidence = 'the middle is 92 ms by itself (usual 12 ms)'): Incident {
  const cause = {
    diagnosis: 'slow_service',
    domain: 'application',
    service: 'pay"ments]',
    from: '',
    route: '',
  } as const
  return {
    ...{
      id: 'a1',
      severity: 'fault',
      state: 'open',
      onsetMs: 1_790_000_000_000,
      openedMs: 1_790_000_006_000,
      closedMs: null,
      summary,
    },
    causes: [{ ...cause, text: summary, evidence: [evidence], check: '', weight: 1, z: 9, traceIds: [] }],
    timeline: [],
  }
}

/** Datagrams that come to a free port. */
async function receiver(t: TestContext): Promise<{ port: number; next: () => Promise<Buffer> }> {
  const socket = createSocket('udp4').bind(0, HOST)
  await once(socket, 'listening')
  t.after(() => socket.close())
  const { port } = socket.address() as AddressInfo
  return {
    port,
    next: async () => ((await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer])[0],
  }
}

test('syslog: RFC 5424, structured data escaped, cut between characters', async (t) => {
  const { port, next } = await receiver(t)
  const alerts = startAlerts({ syslog: { host: HOST, port }, log: silentLogger })
  const came = next()
  alerts.tell(incident('payments: slow by itself'), 'opened')
  assert.match(
    (await came).toString(),
    /^<131>1 2026-09-21T14:13:26\.000Z \S+ hopscope \d+ incident \[incident@32473 id="a1" change="opened" diagnosis="slow_service" service="pay\\"ments\\]"\] \uFEFFpayments: slow by itself; the middle is 92 ms/,
  )
  const long = syslogMessage(incident('é'.repeat(3000)), 'closed')
  assert.ok(long.length <= 2048 && long.length >= 2046)
  assert.ok(!long.toString().includes('\uFFFD'))
  assert.match(long.toString(), /^<133>1 /)
})

test('SNMP: the bytes of a trap', () => {
  const trap = snmpTrap(incident('slow'), 'closed', 'public', 300, 129)
  const hex = trap.toString('hex')
  // Version 2c, community, SNMPv2-Trap; request 300; sysUpTime 129 with a leading zero; the trap's own name.
  assert.match(hex, /^30 ?81(..)020101(04067075626c6963)a781(..)0202012c020100020100/)
  assert.ok(hex.includes('06082b060102010103004302'.concat('0081')))
  assert.ok(hex.includes('060a2b060106030101040100'.concat('060b2b0601040181fd59010003')))
  assert.equal(trap.length, trap[2]! + 3)
})

const SNMPTRAPD = '/usr/sbin/snmptrapd'

test("SNMP: Debian's snmptrapd reads it", {
  skip: existsSync(SNMPTRAPD) ? false : 'snmptrapd is not installed',
}, async (t) => {
  const free = await receiver(t)
  const port = free.port + 1
  const flags = ['-f', '-C', '-Lo', '-On', '--disableAuthorization=yes', `udp:${HOST}:${port}`]
  const child = spawn(SNMPTRAPD, flags, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  const hear = (piece: Buffer): void => {
    said += piece
  }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', hear)
  const alerts = startAlerts({ snmp: { host: HOST, port, community: 'public' }, log: silentLogger })
  for (let left = 40; !said.includes('32473.1.0.1') && left > 0; left--) {
    alerts.tell(incident('payments: slow by itself'), 'opened')
    await sleep(100)
  }
  assert.match(said, /\.1\.3\.6\.1\.4\.1\.32473\.1\.0\.1/)
  assert.match(said, /32473\.1\.1\.2 = STRING: "payments: slow by itself"/)
})
