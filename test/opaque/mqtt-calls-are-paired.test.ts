/** mosquitto and its clients through a watched tunnel: every exchange that MQTT knows, in its versions. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { ObservedCall } from '../../src/net/protocols/call.ts'
import { eventually } from '../support/proxy.ts'
import { type Broker, type MqttVersion, mqttClient, noMosquitto, startBroker } from './mosquitto.ts'
import { outline, replay, type WatchedTunnel, watchedTunnel } from './watched-tunnel.ts'

const skip = noMosquitto
const SIZES = [1, 2, 3, 5, 17, 1000, 65_536]

async function through(t: TestContext): Promise<{ broker: Broker; tunnel: WatchedTunnel }> {
  const broker = await startBroker(t)
  return { broker, tunnel: await watchedTunnel(t, broker.port) }
}

const facts = (call: ObservedCall | undefined): Record<string, unknown> => Object.fromEntries(call?.attributes ?? [])

/** What does not depend on the clock. */
function timeless(calls: readonly ObservedCall[]): unknown[] {
  return calls.map((call) => ({
    outline: outline(call),
    attributes: call.attributes.filter(([key]) => !key.endsWith('_us')),
    error: call.error,
    parent: call.parent,
  }))
}

function sameInPieces(tunnel: WatchedTunnel): void {
  for (const size of SIZES) {
    const again = replay(tunnel.pieces, size)
    assert.deepEqual(timeless(again.calls), timeless(tunnel.calls), `pieces of ${size}`)
    assert.equal(again.facts?.gaveUp, '')
  }
}

for (const [version, label] of [
  ['mqttv31', '3.1'],
  ['mqttv311', '3.1.1'],
  ['mqttv5', '5.0'],
] as const satisfies readonly (readonly [MqttVersion, string])[]) {
  for (const qos of [0, 1, 2]) {
    test(`${version}, QoS ${qos}: a publisher's calls`, { skip }, async (t) => {
      const { tunnel } = await through(t)
      const args = ['-t', 'open/a', '-q', String(qos), '-i', 'pub-1', '-s']
      const payload = 'x'.repeat(300_000)
      const { status, stderr } = await mqttClient('mosquitto_pub', tunnel.port, version, args, { input: payload }).end
      assert.equal(status, 0, stderr)
      const seen = await tunnel.facts()
      assert.deepEqual([seen?.name, seen?.version, seen?.gaveUp, seen?.unpaired], ['mqtt', label, '', 0])
      assert.equal(seen?.closing, 'client: normal')
      assert.deepEqual(tunnel.calls.map(outline), qos === 0 ? ['MQTT CONNECT'] : ['MQTT CONNECT', 'MQTT PUBLISH'])
      assert.equal(facts(tunnel.calls[0])['hopscope.mqtt.keep_alive_s'], 60)
      assert.equal(facts(tunnel.calls[0])['messaging.client.id'], 'pub-1')
      if (qos > 0) {
        const publish = facts(tunnel.calls[1])
        assert.equal(publish['messaging.destination.name'], 'open/a')
        assert.equal(publish['messaging.message.body.size'], payload.length)
        assert.equal(publish['hopscope.mqtt.qos'], qos)
        assert.equal(publish['hopscope.mqtt.received_us'] !== undefined, qos === 2)
      }
      assert.ok(!JSON.stringify(tunnel.calls).includes('secret'), 'no password is told')
      sameInPieces(tunnel)
    })
  }

  test(`${version}: subscriber: SUBSCRIBE, PINGREQ, PUBLISH from the broker, UNSUBSCRIBE`, { skip }, async (t) => {
    const { broker, tunnel } = await through(t)
    const args = ['-t', 'open/#', '-U', 'open/none', '-q', '2', '-i', 'sub-1', '-C', '2', '-k', '5']
    const subscriber = mqttClient('mosquitto_sub', tunnel.port, version, args)
    await eventually('subscription', () => tunnel.calls.some(({ operation }) => operation === 'SUBSCRIBE'))
    for (const qos of ['1', '2']) {
      const sent = await mqttClient('mosquitto_pub', broker.port, version, ['-t', `open/${qos}`, '-q', qos, '-m', 'hi'])
        .end
      assert.equal(sent.status, 0, sent.stderr)
    }
    assert.equal((await subscriber.end).stdout, 'hi\nhi\n')
    const seen = await tunnel.facts()
    assert.equal(seen?.gaveUp, '')
    const outlines = tunnel.calls.map(outline)
    assert.deepEqual(
      outlines.toSorted(),
      [
        'MQTT CONNECT',
        'MQTT SUBSCRIBE',
        'MQTT UNSUBSCRIBE',
        'server: MQTT PUBLISH',
        ...(outlines.includes('server: MQTT PUBLISH ! no_reply')
          ? ['server: MQTT PUBLISH ! no_reply']
          : ['server: MQTT PUBLISH']),
      ].toSorted(),
    )
    const subscribe = tunnel.calls.find(({ operation }) => operation === 'SUBSCRIBE')
    assert.equal(facts(subscribe)['messaging.destination.name'], 'open/#')
    const published = tunnel.calls
      .filter(({ fromClient }) => !fromClient)
      .map((call) => facts(call)['messaging.destination.name'])
    assert.deepEqual(published, ['open/1', 'open/2'])
    sameInPieces(tunnel)
  })

  test(`${version}: a wrong password is the error of its CONNECT`, { skip }, async (t) => {
    const { tunnel } = await through(t)
    const args = ['-t', 'open/a', '-m', 'x']
    await mqttClient('mosquitto_pub', tunnel.port, version, args, { password: 'wrong' }).end
    await tunnel.facts()
    assert.deepEqual(tunnel.calls.map(outline), ['MQTT CONNECT ! not_authorized'])
    sameInPieces(tunnel)
  })
}

test('pings', { skip }, async (t) => {
  const { tunnel } = await through(t)
  const subscriber = mqttClient('mosquitto_sub', tunnel.port, 'mqttv311', ['-t', 'open/x', '-k', '5', '-W', '8'])
  await eventually('ping', () => tunnel.calls.some(({ operation }) => operation === 'PINGREQ'))
  subscriber.child.kill('SIGKILL')
  await tunnel.facts()
  assert.equal(tunnel.calls.at(-1)?.name, 'MQTT PINGREQ')
  assert.equal(tunnel.calls.at(-1)?.error, undefined)
})

test('version 5: refused topics are the error of PUBLISH and SUBSCRIBE', { skip }, async (t) => {
  const { tunnel } = await through(t)
  await mqttClient('mosquitto_pub', tunnel.port, 'mqttv5', ['-t', 'closed/a', '-q', '1', '-m', 'x']).end
  await tunnel.facts()
  assert.deepEqual(tunnel.calls.map(outline), ['MQTT CONNECT', 'MQTT PUBLISH ! not_authorized'])
  sameInPieces(tunnel)
})

test('version 5: a traceparent among the user properties makes the span a child of the publisher', {
  skip,
}, async (t) => {
  const { tunnel } = await through(t)
  const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  const property = ['-D', 'PUBLISH', 'user-property', 'traceparent', `00-${traceId}-${spanId}-01`]
  await mqttClient('mosquitto_pub', tunnel.port, 'mqttv5', ['-t', 'open/a', '-q', '1', '-m', 'x', ...property]).end
  await tunnel.facts()
  assert.deepEqual(tunnel.calls[1]?.parent, { traceId, spanId, flags: 1 })
  sameInPieces(tunnel)
})
