/** Real packets are dropped on the way of a real sidecar's calls. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { IncidentCause } from '../../src/aggregator/diagnosis/incidents.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { createPair, netnsUnavailable, type Pair, type Running } from '../interception/netns.ts'
import { APP_UID, PROXY_UID, program } from '../interception/programs.ts'
import { HOPSCOPE, said } from '../interception/sidecar.ts'

const own = (name: string, ...args: string[]): string[] => [
  process.execPath,
  fileURLToPath(new URL(`${name}.js`, import.meta.url)),
  ...args,
]

/** An app in a pod whose calls to a server at another host go through its sidecar; resolves when they are known. */
async function calling(t: TestContext): Promise<{ pair: Pair; aggregator: Running }> {
  const pair = createPair()
  t.after(() => pair.cleanup())
  const { pod, peer } = pair
  const applied = pod.exec([...HOPSCOPE, 'iptables', 'apply', '--intercept-ports', '80'])
  assert.equal(applied.status, 0, applied.stderr)
  const aggregator = pod.start(own('aggregator-program'))
  const server = peer.start(program('http-server', 80))
  await Promise.all([aggregator.line((line) => line === 'listening'), server.line((line) => line === 'listening')])
  const settings = ['--service-name', 'shop', '--otlp-schedule-ms', '50', '--timeouts-first-byte-ms', '900']
  const sidecar = pod.start([...HOPSCOPE, 'sidecar', '--otlp-endpoint', 'http://127.0.0.1:4317', ...settings], {
    uid: PROXY_UID,
  })
  await said(sidecar, '"msg":"listening"')
  pod.start(own('load-program', `http://${peer.v4}/things`), { uid: APP_UID })
  await state(aggregator, ({ ready }) => ready > 0)
  return { pair, aggregator }
}

async function state(aggregator: Running, wanted: (state: WatchState) => boolean): Promise<WatchState> {
  const line = await aggregator.line((one) => one.startsWith('{') && wanted(JSON.parse(one)), 20_000)
  return JSON.parse(line) as WatchState
}

// Most of the time is waiting for what is usual to be known.
describe('packets that are dropped', { concurrency: true, skip: netnsUnavailable() }, () => {
  test('large packets vanish, small ones pass: an MTU black hole', async (t) => {
    const { pair, aggregator } = await calling(t)
    const large = ['-p', 'tcp', '--dport', '80', '-m', 'length', '--length', '1400:65535']
    const dropped = pair.peer.exec(['iptables', '-A', 'INPUT', ...large, '-j', 'DROP'])
    assert.equal(dropped.status, 0, dropped.stderr)
    const { incidents } = await state(aggregator, (seen) =>
      seen.incidents.some(({ causes }) => causes[0]?.diagnosis === 'mtu_black_hole'),
    )
    const [cause] = incidents[0]!.causes
    assert.deepEqual([cause?.service, cause?.from], [pair.peer.v4, 'shop'])
    assert.match(cause!.evidence.join(), /with more than 1,300 bytes \d+ stalled; \d+ smaller ones passed/)
  })

  test('one packet in five is lost: segments are sent again, and said so', async (t) => {
    const { pair, aggregator } = await calling(t)
    const some = ['-p', 'tcp', '--dport', '80', '-m', 'statistic', '--mode', 'random', '--probability', '0.2']
    const dropped = pair.peer.exec(['iptables', '-A', 'INPUT', ...some, '-j', 'DROP'])
    assert.equal(dropped.status, 0, dropped.stderr)
    const lossy = ({ evidence }: IncidentCause): boolean =>
      evidence.some((one) => /TCP segments were sent again on [\d.]+ % of them, \d/.test(one))
    const { incidents } = await state(aggregator, (seen) => seen.incidents.some(({ causes }) => causes.some(lossy)))
    const cause = incidents[0]?.causes.find(lossy)
    assert.deepEqual([cause?.service, cause?.from], [pair.peer.v4, 'shop'])
  })
})
