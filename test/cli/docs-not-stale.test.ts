import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { configurationPage, diagnosesPage, errorsPage } from '../../src/cli/reference.ts'

for (const [file, page] of [
  ['docs/configuration.md', configurationPage()],
  ['docs/errors.md', errorsPage()],
  ['docs/diagnoses.md', diagnosesPage()],
] as const) {
  test(`${file} is what the tables generate`, () => {
    assert.equal(readFileSync(file, 'utf8'), page, 'stale: npm run docs')
  })
}
