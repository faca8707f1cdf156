/** A webhook sees pods before the API server checks them: whoever may create pods can send any JSON of three megabytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settingByPath } from '../../src/config/schema.ts'
import { BadReview, review } from '../../src/injector/review.ts'
import { type Answer, answerOf, applyPatch, OPTIONS, patchOf, reviewOf } from './support.ts'

const POD = {
  metadata: {
    ...{ name: 'a', generateName: 'a-', labels: { app: 'x', 'pod-template-hash': 'h' } },
    annotations: { 'hopscope.io/inject': 'enabled', 'hopscope.io/concurrency': '2' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a-h', uid: 'u', controller: true }],
  },
  spec: {
    ...{ restartPolicy: 'Always', hostNetwork: false, terminationGracePeriodSeconds: 30 },
    ...{ securityContext: { runAsUser: 1 }, os: { name: 'linux' }, nodeSelector: { a: 'b' } },
    initContainers: [{ name: 'i', restartPolicy: 'Always', startupProbe: { tcpSocket: { port: 80, host: 'h' } } }],
    containers: [
      {
        ...{
          name: 'c',
          securityContext: { runAsUser: 2, runAsGroup: 3 },
          ports: [{ name: 'http', containerPort: 80 }],
        },
        livenessProbe: {
          httpGet: { path: '/', port: 'http', host: 'x', scheme: 'HTTP', httpHeaders: [{ name: 'a', value: 'b' }] },
          timeoutSeconds: 2,
        },
        readinessProbe: { grpc: { port: 80, service: 's' } },
      },
    ],
  },
}
const ODD = [
  null,
  undefined,
  0,
  -1,
  1e99,
  '',
  'x',
  '$(A)',
  true,
  [],
  {},
  [null],
  [[]],
  [{}],
  { a: null },
  { name: null },
]

function placesOf(value: unknown, above: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => [[...above, key], ...placesOf(one, [...above, key])])
}

test('whatever stands in a review in the place of anything: an answer, or said to be no review of a pod', () => {
  let answered = 0
  for (const place of placesOf(reviewOf(POD))) {
    for (const odd of ODD) {
      for (const nativeSidecars of [true, false]) {
        const body = structuredClone(reviewOf(POD)) as Record<string, never>
        let at = body
        for (const key of place.slice(0, -1)) at = at[key]!
        Object.assign(at, { [place.at(-1)!]: odd })
        try {
          const parsed = JSON.parse(JSON.stringify(body))
          const answer = answerOf(review(parsed, true, { ...OPTIONS, nativeSidecars }).answer)
          applyPatch(parsed.request.object, patchOf(answer))
          answered++
        } catch (error) {
          assert.ok(error instanceof BadReview, `${place.join('.')} ${JSON.stringify(odd)}: ${error}`)
        }
      }
    }
  }
  assert.ok(answered > 500, `${answered}`)
})

const withContainers = (containers: object[]): Answer =>
  answerOf(review(reviewOf({ metadata: {}, spec: { containers } }), true, OPTIONS).answer)

test('a thousand containers of one name with probes make an operation each, not a million', () => {
  const containers = Array.from({ length: 1000 }, () => ({ name: 'a', livenessProbe: { tcpSocket: { port: 80 } } }))
  const operations = patchOf(withContainers(containers))
  assert.equal(operations.filter(({ op }) => op === 'replace').length, 1000)
})

test('a probe that the sidecar would not take stays the app’s own; a long timeout is the longest that it takes', () => {
  const probes = [
    { httpGet: { port: 80, path: `/${'x'.repeat(5000)}` } },
    { httpGet: { port: 80, httpHeaders: Array.from({ length: 65 }, () => ({ name: 'a', value: 'b' })) } },
    { tcpSocket: { port: 80 }, timeoutSeconds: 3600 },
  ]
  const patch = patchOf(withContainers(probes.map((livenessProbe, i) => ({ name: `c${i}`, livenessProbe }))))
  assert.deepEqual(
    patch.flatMap(({ op, path }) => (op === 'replace' ? path : [])),
    ['/spec/containers/2/livenessProbe'],
  )
  const { env } = patch.flatMap(({ path, value }) =>
    path === '/spec/initContainers' ? (value as never[]) : [],
  )[1]! as {
    env: { name: string; value?: string }[]
  }
  const text = env.find(({ name }) => name === 'HOPSCOPE_KUBELET_PROBES')!.value!
  const { kind } = settingByPath.get('kubelet.probes')!
  assert.deepEqual(kind.zod.parse(kind.fromText(text)), {
    'c2/liveness': { type: 'tcp', port: 80, timeoutMs: 600_000 },
  })
})
