/** Golden files: what becomes of each pod. `UPDATE_GOLDEN=1` writes them anew (then format them); read the difference before you commit it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { review } from '../../src/injector/review.ts'
import { SHAPES } from './shapes.ts'
import { answerOf, applyPatch, OPTIONS, patchOf, reviewOf } from './support.ts'

const FOLDER = 'test/kubernetes/golden'

for (const [name, shape] of Object.entries(SHAPES)) {
  test(name, () => {
    const options = { ...OPTIONS, ...shape.options }
    const request = reviewOf(shape.pod, { namespace: shape.namespace ?? 'shop' })
    const { answer, outcome } = review(request, shape.asked ?? true, options)
    const { allowed, warnings = [], status } = answerOf(answer)
    const patch = patchOf(answerOf(answer))
    const told = { result: outcome.result, reason: outcome.reason, allowed, warnings, denied: status?.message, patch }
    const file = `${FOLDER}/${name}.json`
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, JSON.stringify(told, null, 2))
    const recorded: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
    assert.deepEqual(JSON.parse(JSON.stringify(told)), recorded)

    // Applied, the patch is all that is needed: reviewed again, the pod is left alone.
    const result = applyPatch(shape.pod, patch)
    const again = review(reviewOf(result, { namespace: shape.namespace ?? 'shop' }), shape.asked ?? true, options)
    if (outcome.result === 'injected') assert.equal(again.outcome.reason, 'already-injected')
    assert.deepEqual(patchOf(answerOf(again.answer)), [])
  })
}

test('every golden file belongs to a pod', () => {
  const files = readdirSync(FOLDER).map((file) => file.replace('.json', ''))
  assert.deepEqual(files.sort(), Object.keys(SHAPES).sort())
})
