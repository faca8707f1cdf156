/** Alt-Svc of responses: passed on as it is, or taken out, so that clients stay on TCP. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain } from '../support/proxy.ts'

const ANSWER = 'Alt-Svc: h3=":443"; ma=86400\r\nX-Other: stays\r\nALT-SVC: h3-29=":443"\r\n'

for (const [altSvc, expected] of [
  ['pass', ['h3=":443"; ma=86400', 'h3-29=":443"']],
  ['strip', []],
] as const) {
  test(`altSvc ${altSvc}`, async (t) => {
    const origin = await Origin.answering(() => ok('body', ANSWER))
    const { dial } = await chain(t, origin, { flags: { altSvc } })
    const peer = await dial()
    for (let i = 0; i < 2; i++) {
      peer.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
      const message = await peer.message()
      assert.deepEqual(fields(message, 'alt-svc'), expected)
      assert.deepEqual(fields(message, 'x-other'), ['stays'])
      assert.equal(message.body, 'body')
    }
  })
}
