import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exchange } from '../../src/exchange/exchange.ts'
import { HeldBack } from '../../src/exchange/held-back.ts'

/** Of an exchange what the piece that is held back needs: where it goes, and whether anybody wants it. */
function exchange(): { readonly x: Exchange; readonly sent: string[]; readonly from: Buffer[] } {
  const sent: string[] = []
  const from: Buffer[] = []
  const data = (buf: Buffer, start: number, end: number): boolean => {
    sent.push(buf.toString('latin1', start, end))
    from.push(buf)
    return true
  }
  const x = { finished: false, heldBack: undefined, down: { data } } as unknown as Exchange
  return { x, sent, from }
}

test('where the end comes in the same read, the piece is not copied', () => {
  const held = new HeldBack()
  const buffer = Buffer.from('....the end....')
  const { x, sent, from } = exchange()
  held.hold(x, buffer, 4, 11)
  held.release(x)
  assert.deepEqual(sent, ['the end'])
  assert.equal(from[0], buffer)
})

test('what is still held when the buffer is used again is the bytes that came', () => {
  const held = new HeldBack()
  const buffer = Buffer.from('....the end....')
  const { x, sent } = exchange()
  held.hold(x, buffer, 4, 11)
  held.keep()
  buffer.fill('!')
  held.release(x)
  assert.deepEqual(sent, ['the end'])
})

test('two exchanges whose ends come in one read keep each their own', () => {
  const held = new HeldBack()
  const buffer = Buffer.from('first second')
  const [one, other] = [exchange(), exchange()]
  held.hold(one.x, buffer, 0, 5)
  held.hold(other.x, buffer, 6, 12)
  held.keep()
  buffer.fill('!')
  held.release(one.x)
  held.release(other.x)
  assert.deepEqual([one.sent, other.sent], [['first'], ['second']])
})

test('nothing is copied for an exchange that is over, and nothing sent that was not held', () => {
  const held = new HeldBack()
  const { x, sent } = exchange()
  held.hold(x, Buffer.from('gone'), 0, 4)
  ;(x as { finished: boolean }).finished = true
  held.keep()
  assert.equal(x.heldBack, undefined)
  held.release(x)
  assert.deepEqual(sent, [])
})
