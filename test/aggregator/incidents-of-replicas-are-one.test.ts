import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident, IncidentCause } from '../../src/aggregator/diagnosis/incidents.ts'
import type { WatchState } from '../../src/aggregator/diagnosis/watch.ts'
import { mergedStates } from '../../src/aggregator/replicas/merged-incidents.ts'

const cause = (service: string, weight: number, traceIds: readonly string[] = []): IncidentCause => ({
  ...{ diagnosis: 'server-errors' as IncidentCause['diagnosis'], domain: 'app' as IncidentCause['domain'] },
  ...{
    service,
    from: '',
    route: '',
    text: `${service} fails`,
    evidence: [],
    check: '',
    weight,
    traceIds,
    z: weight * 10,
  },
})

const incident = (
  id: string,
  onsetMs: number,
  closedMs: number | null,
  causes: readonly IncidentCause[],
): Incident => ({
  ...{ id, severity: 'fault', onsetMs, openedMs: onsetMs + 5000, closedMs, causes },
  state: closedMs === null ? 'open' : 'closed',
  ...{ summary: `${causes[0]?.service} of ${id}`, timeline: [{ atMs: onsetMs, text: id }] },
})

const watching = (...incidents: Incident[]): WatchState => ({
  ...{ state: 'watching', signatures: 10, ready: 8, oneOf: 1, incidents },
})

test('one fault that three replicas see is one incident, its causes weighed by all', () => {
  const state = mergedStates([
    watching(incident('a', 1000, null, [cause('stock', 0.9, ['t1']), cause('web', 0.1)])),
    watching(incident('b', 3000, 90_000, [cause('web', 0.6), cause('stock', 0.4, ['t2', 't1'])])),
    watching(incident('c', 2000, null, [cause('stock', 0.8)])),
  ])
  const [one] = state.incidents
  assert.equal(state.incidents.length, 1)
  assert.deepEqual([one!.id, one!.state, one!.onsetMs, one!.openedMs, one!.closedMs], ['a', 'open', 1000, 6000, null])
  assert.deepEqual(
    one!.causes.map(({ service, weight }) => [service, Math.round(weight * 100)]),
    [
      ['stock', 70],
      ['web', 23],
    ],
  )
  assert.deepEqual(one!.causes[0]!.traceIds, ['t1', 't2'])
  assert.equal(one!.summary, 'stock of a')
  assert.deepEqual(
    one!.timeline.map(({ text }) => text),
    ['a', 'c', 'b'],
  )
})

test('incidents at other times stay apart, the newest first', () => {
  const state = mergedStates([
    watching(incident('old', 1000, 20_000, [cause('web', 1)]), incident('new', 200_000, null, [cause('web', 1)])),
    { ...watching(), state: 'learning' },
  ])
  assert.deepEqual(
    state.incidents.map(({ id }) => id),
    ['new', 'old'],
  )
  assert.equal(state.state, 'watching')
})

test('what one alone says stays as it is', () => {
  const state = watching(incident('a', 1000, null, [cause('web', 1)]))
  assert.equal(mergedStates([state]), state)
})

test('a warning has one id everywhere: the one that stands counts, beside what fails', () => {
  const warning = (closedMs: number | null): Incident => ({
    ...incident('w1', 1000, closedMs, [cause('shop', 1)]),
    severity: 'warning',
  })
  const state = mergedStates([
    watching(warning(5000), incident('a', 2000, null, [cause('stock', 1)])),
    watching(warning(null)),
  ])
  assert.deepEqual(
    state.incidents.map(({ id, severity, state }) => [id, severity, state]),
    [
      ['a', 'fault', 'open'],
      ['w1', 'warning', 'open'],
    ],
  )
})
