/** Clients that dial while a turn of the event loop is long: as many as are allowed are taken in the next one, not one. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { libc } from '../../src/native/libc.ts'
import { Listener } from '../../src/net/listener.ts'
import type { Wire } from '../../src/net/wire.ts'
import { until } from '../aggregator/running.ts'

const calls = libc()
const skip = 'missing' in calls && calls.missing

/** Dials and says its number, all while whoever waits for it does nothing else. */
const DIAL = `
const [port, count] = process.argv.slice(1).map(Number)
let open = 0
for (let n = 0; n < count; n++) {
  const socket = require('net').connect(port, '127.0.0.1', () => socket.end(String(n), () => ++open === count && process.exit()))
}`
const dial = (port: number, count: number): unknown =>
  execFileSync(process.execPath, ['-e', DIAL, String(port), String(count)])

interface Taken {
  readonly listener: Listener
  readonly wires: Wire[]
  /** Wires by turn of the event loop, those without any left out. */
  readonly byTurn: number[]
  refused: number
}

async function taking(t: TestContext, acceptsAtOnce: number, maxConnections = 100): Promise<Taken> {
  let turn = 0
  let last = -1
  const taken: Omit<Taken, 'listener'> = { wires: [], byTurn: [], refused: 0 }
  const listener = await Listener.start({
    ...{ host: '127.0.0.1', port: 0, acceptsAtOnce, maxConnections, highWater: 65_536 },
    onWire: (wire) => {
      if (turn !== last) taken.byTurn.push(0)
      last = turn
      taken.byTurn[taken.byTurn.length - 1]!++
      taken.wires.push(wire)
    },
    onRefused: () => taken.refused++,
  })
  let ended = false
  const count = async (): Promise<void> => {
    while (!ended) {
      turn++
      await nextTurn()
    }
  }
  const counting = count()
  t.after(async () => {
    for (const wire of taken.wires) wire.destroy()
    listener.close()
    ended = true
    await counting
  })
  return Object.assign(taken, { listener })
}

test('as many as are allowed in a turn, each with its bytes and its end', { skip }, async (t) => {
  const taken = await taking(t, 8)
  dial(taken.listener.address.port, 20)
  await until('all are taken', () => taken.wires.length === 20)
  assert.deepEqual(taken.byTurn, [8, 8, 4])
  assert.equal(taken.listener.open, 20)
  const said: string[] = []
  for (const wire of taken.wires) {
    let text = ''
    wire.handler = {
      onBytes: (buf, start, end) => {
        text += buf.toString('latin1', start, end)
      },
      onEnd: () => said.push(text),
      onDrain: () => {},
      onClose: () => {},
    }
    wire.resume()
  }
  await until('all have said theirs', () => said.length === 20)
  assert.deepEqual(
    said.map(Number).sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, n) => n),
  )
})

test('one in a turn where that is what is allowed', { skip }, async (t) => {
  const taken = await taking(t, 1)
  dial(taken.listener.address.port, 5)
  await until('all are taken', () => taken.wires.length === 5)
  assert.deepEqual(taken.byTurn, [1, 1, 1, 1, 1])
})

test('those above the bound are refused, and count no more once they are gone', { skip }, async (t) => {
  const taken = await taking(t, 8, 6)
  dial(taken.listener.address.port, 10)
  await until('all are taken or refused', () => taken.wires.length + taken.refused === 10)
  assert.deepEqual([taken.wires.length, taken.refused, taken.listener.open], [6, 4, 6])
  for (const wire of taken.wires) wire.destroy()
  await until('they are gone', () => taken.listener.open === 0)
})

test('clients that reset before they are taken end nothing but themselves', { skip }, async (t) => {
  const taken = await taking(t, 8)
  const { port } = taken.listener.address
  const reset = `
let open = 0
const sockets = Array.from({ length: 12 }, () => require('net').connect(${port}, '127.0.0.1', () => {
  if (++open < 12) return
  for (const socket of sockets) socket.resetAndDestroy()
}))`
  execFileSync(process.execPath, ['-e', reset])
  const closed: unknown[] = []
  await until('those that the kernel still tells of are taken', () => taken.byTurn.length > 0)
  await nextTurn()
  for (const wire of taken.wires) {
    wire.handler = { onBytes: () => {}, onEnd: () => {}, onDrain: () => {}, onClose: (error) => closed.push(error) }
    wire.resume()
  }
  await until('each is closed', () => closed.length === taken.wires.length && taken.listener.open === 0)
  dial(port, 3)
  const before = taken.wires.length
  await until('others are taken', () => taken.wires.length === before + 3)
})

test('a listener that is closed by what it took stops there', { skip }, async (t) => {
  const taken = await taking(t, 8)
  const { port } = taken.listener.address
  const push = taken.wires.push.bind(taken.wires)
  taken.wires.push = (wire) => {
    taken.listener.close()
    return push(wire)
  }
  dial(port, 5)
  await until('one is taken', () => taken.wires.length > 0)
  await nextTurn()
  assert.equal(taken.wires.length, 1)
  const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNREFUSED')
})
