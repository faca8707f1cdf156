import assert from 'node:assert/strict'
import test from 'node:test'
import { FORMS, portOf, startThriftServer, thriftSession } from './thrift-peers.ts'
import { outline, replay, watchedTunnel } from './watched-tunnel.ts'

const LARGE = 300_000

const ANSWERS = [
  'add 5',
  'echo undefined',
  'nothing undefined',
  'divide failed: declared',
  'crash failed: the handler threw',
  'missing failed: Unknown function missing',
  'add 1 2',
  'add 2 4',
  'add 3 6',
  'add 50',
]
const CALLS = [
  'add',
  'echo',
  'nothing',
  'notify',
  'divide ! declared_exception',
  'crash ! internal_error',
  'thrift call ! unknown_method',
  'add',
  'add',
  'add',
  'add',
  'ignored ! no_reply',
]

for (const form of FORMS) {
  test(`${form}: calls of the real library with what became of them, and the same in pieces of any size`, async (t) => {
    const server = await startThriftServer(form)
    t.after(() => server.close())
    const tunnel = await watchedTunnel(t, portOf(server))
    assert.deepEqual(await thriftSession(form, '127.0.0.1', tunnel.port, LARGE), ANSWERS)
    const facts = await tunnel.facts()
    assert.deepEqual(
      { name: facts?.name, variant: facts?.variant, gaveUp: facts?.gaveUp, unpaired: facts?.unpaired },
      { name: 'thrift', variant: form, gaveUp: '', unpaired: 0 },
    )
    assert.deepEqual(tunnel.calls.map(outline), CALLS)
    assert.deepEqual([facts?.calls, facts?.failedCalls], [12, 4])

    const attributes = (index: number): Record<string, unknown> => Object.fromEntries(tunnel.calls[index]!.attributes)
    assert.equal(attributes(0)['rpc.method'], 'add')
    assert.equal(attributes(0)['hopscope.thrift.sequence'], 1)
    assert.equal(attributes(3)['hopscope.thrift.message'], 'oneway')
    assert.equal(attributes(6)['rpc.method'], '_OTHER')
    assert.equal(attributes(6)['rpc.method_original'], 'missing')
    for (const way of ['request', 'reply']) {
      const bytes = attributes(1)[`hopscope.thrift.${way}_bytes`] as number
      assert.ok(bytes > LARGE && bytes < LARGE + 1000, `${way}: ${bytes} bytes`)
    }
    assert.equal(tunnel.calls[5]!.error?.message, 'the handler threw')
    for (const { startUs, endUs } of tunnel.calls) assert.ok(endUs >= startUs, `${startUs} … ${endUs}`)

    const told = tunnel.calls.map(({ attributes, error }) => ({ attributes, error }))
    for (const size of [1, 2, 3, 5, 7, 11, 13, 64, 1000, 65_536]) {
      const again = replay(tunnel.pieces, size)
      assert.deepEqual(
        again.calls.map(({ attributes, error }) => ({ attributes, error })),
        told,
        `pieces of ${size}`,
      )
      assert.deepEqual(again.facts, facts, `pieces of ${size}`)
    }
  })
}
