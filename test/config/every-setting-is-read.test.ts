/** A setting that is accepted, documented and read by nothing is a lie: each must be read where it does something. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { SETTINGS } from '../../src/config/schema.ts'

/** Code that acts on settings: all but the table itself and the command line made from it. */
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/^(config|cli)[/\\]/.test(file))
  .map((file) => readFileSync(`src/${file}`, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''))

/** Last names that mean other things elsewhere, so that they count only with the name before them. */
const COMMON = new Set([
  'url',
  'name',
  'attributes',
  'level',
  'mode',
  'headers',
  'endpoint',
  'enabled',
  'reuse',
  'idleMs',
])

function isRead(path: string): boolean {
  const keys = path.split('.')
  const last = keys.at(-1)!
  const holder = keys.at(-2) ?? 'config'
  const direct = new RegExp(`\\b${holder}\\??\\.${last}\\b`)
  // `const { last } = holder` or `{ last: … }: Config` count as a read too.
  const taken = new RegExp(`\\{[^{}]*\\b${last}\\b[^{}]*\\} = ([\\w.]+\\.#?)?${holder}\\b`)
  const anywhere = new RegExp(`\\.${last}\\b`)
  const strict = keys.length === 1 || COMMON.has(last)
  return sources.some((text) => direct.test(text) || taken.test(text) || (!strict && anywhere.test(text)))
}

for (const { path, later } of SETTINGS) {
  test(`${path} is ${later === undefined ? 'read' : 'refused, so that nothing need read it'}`, () => {
    if (later === undefined) assert.ok(isRead(path), 'nothing reads it')
  })
}

test('the check can fail', () => {
  assert.equal(isRead('limits.numberOfMoons'), false)
})
