/** Every patched pod is one by the OpenAPI schemas of Kubernetes itself, of each version from 1.29 on. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { review } from '../../src/injector/review.ts'
import { faultsOf, VERSIONS } from './openapi-schemas.ts'
import { SHAPES } from './shapes.ts'
import { answerOf, applyPatch, OPTIONS, patchOf, reviewOf } from './support.ts'

for (const version of VERSIONS) {
  test(`Kubernetes ${version}`, () => {
    let injected = 0
    for (const [name, shape] of Object.entries(SHAPES)) {
      const options = { ...OPTIONS, ...shape.options }
      const request = reviewOf(shape.pod, { namespace: shape.namespace ?? 'shop' })
      const { answer } = review(request, shape.asked ?? true, options)
      const patch = patchOf(answerOf(answer))
      if (patch.length > 0) injected++
      const pod = { apiVersion: 'v1', kind: 'Pod', ...applyPatch(shape.pod, patch) }
      assert.deepEqual(faultsOf(pod, version), [], name)
    }
    assert.ok(injected >= 25, `${injected} were injected`)
  })
}

test('the versions go from 1.29 on', () => {
  assert.equal(VERSIONS[0]?.startsWith('1.29.'), true)
  assert.ok(VERSIONS.length >= 8)
})

test('the schemas can refuse', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: { containers: [{ image: 'a', ports: [{ containerPort: '80' }], colour: 'red' }] },
  }
  assert.deepEqual(faultsOf(pod, VERSIONS[0]!), [
    'Pod.spec.containers[0].name: missing',
    'Pod.spec.containers[0].ports[0].containerPort: not an integer',
    'Pod.spec.containers[0].colour: unknown',
  ])
})
