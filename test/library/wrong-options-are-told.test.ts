/** Programs without types: what they give `createProxy` by mistake is told by a TypeError that names it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CreateProxyOptions, createProxy } from '../../src/app/library.ts'

const upstream = 'http://127.0.0.1:1'
const stage = { name: 'mine', role: 'observe', onFinish: () => undefined }

const WRONG: readonly [unknown, RegExp][] = [
  [undefined, /options: expected an object/],
  [{ upstream, stage: [] }, /stage: expected one of upstream, listen, stages, dispatcher, settings/],
  [{ upstream, listen: '127.0.0.1:80' }, /listen: expected an object/],
  [{ upstream, settings: 'log.level=warn' }, /settings: expected an object/],
  [{ upstream, dispatcher: {} }, /dispatcher: expected a dispatcher/],
  [{ upstream, stages: stage }, /stages: expected a list/],
  [{ upstream, stages: [stage, null] }, /stages\[1\]: expected an object/],
  [{ upstream, stages: [{ ...stage, name: undefined }] }, /stages\[0\]\.name: expected a text/],
  [{ upstream, stages: [{ ...stage, role: undefined }] }, /stages\[0\]\.role: expected 'decide' or 'observe'/],
  [{ upstream, stages: [{ ...stage, onFinish: true }] }, /stages\[0\]\.onFinish: expected a function/],
  [
    { upstream, stages: [{ name: 'x', role: 'observe', onRequest() {} }] },
    /stages\[0\]: expected a hook: onRequestHead/,
  ],
]

test('options that cannot be meant', async () => {
  for (const [options, message] of WRONG) {
    await assert.rejects(createProxy(options as CreateProxyOptions), { name: 'TypeError', message })
  }
})

test('every fault of the settings is in one report, unknown ones too', async () => {
  const settings = { 'timeouts.conectMs': 5, 'timeouts.connectMs': 'soon', sample: 2 }
  await assert.rejects(createProxy({ upstream: 'nowhere', settings }), ({ message }: Error) => {
    assert.match(message, /^4 faults in the configuration:/)
    assert.match(message, /timeouts\.conectMs: expected a known setting; .*timeouts\.connectMs/)
    for (const path of ['timeouts.connectMs', 'sample', 'upstream.url']) assert.match(message, new RegExp(`  ${path} `))
    return true
  })
})

test('a deadline that never comes is refused; close ends all the same', async () => {
  const proxy = await createProxy({ upstream, listen: { host: '127.0.0.1' } })
  await assert.rejects(proxy.close(Number.NaN), { name: 'TypeError', message: /close: NaN: expected milliseconds/ })
  await Promise.all([proxy.close(0), proxy.close()])
})

test('an IPv6 address is given as it is', async () => {
  // Nobody is at this address of documentation: what counts is that it was understood.
  await assert.rejects(createProxy({ upstream, listen: { host: '2001:db8::1' } }), /EADDRNOTAVAIL|EAFNOSUPPORT/)
})
