/** A load test must not bury the terminal, nor a slow reader of the pipe fill our memory. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { TraceStore } from '../../src/aggregator/traces.ts'
import { Live } from '../../src/dev/live.ts'
import { made } from '../aggregator/made-spans.ts'

interface Shown {
  readonly text: string
  readonly done: Promise<void>
}

/** Draw one trace for each of `calls`, true for a failed one, and wait for the line that counts the rest. */
function draw(calls: readonly boolean[], screen: { writableNeedDrain: boolean }): Shown {
  let text = ''
  let counted = (): void => {}
  const done = new Promise<void>((resolve) => {
    counted = resolve
  })
  const write = (piece: string): void => {
    text += piece
    if (piece.includes('not drawn')) counted()
  }
  const live = new Live({ screen: { ...screen, write }, style: { color: false, unicode: true } })
  const traces = new TraceStore({ onQuiet: () => {} })
  for (const [i, failed] of calls.entries()) {
    const traceId = (i + 1).toString(16).padStart(32, '0')
    traces.add([made({ spanId: '1'.repeat(16), traceId, failed, name: failed ? 'broken' : 'fine' })])
    live.show(traces.get(traceId)!)
  }
  traces.close()
  return {
    get text() {
      return text
    },
    done,
  }
}

const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length

test('of a thousand calls at once a few are drawn, the others counted; failed ones go first', {
  timeout: 8000,
}, async () => {
  const shown = draw([...Array(1000).fill(false), ...Array(3).fill(true)], { writableNeedDrain: false })
  // Node keeps no process alive for a timer that is not to keep it alive.
  const alive = setInterval(() => {}, 1000)
  await shown.done
  clearInterval(alive)
  const good = count(shown.text, /^● fine/gm)
  assert.ok(good >= 4 && good <= 10, `${good} drawn`)
  assert.equal(count(shown.text, /^✗ broken/gm), 3)
  assert.match(shown.text, new RegExp(`^${1000 - good} more calls, not drawn: too many at once$`, 'm'))
  assert.equal(count(shown.text, /service at work/g), 1, 'the legend, once')
})

test('nothing is drawn while the screen does not take it', () => {
  assert.equal(draw([true, false], { writableNeedDrain: true }).text, '')
})
