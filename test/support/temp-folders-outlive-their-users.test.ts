import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tempFolder } from './temp-folder.ts'

test('a folder is there for hooks that were made behind it', (t) => {
  const folder = tempFolder()
  t.after(() => writeFileSync(join(folder, 'late'), ''))
})

test('a folder goes with its process, whatever is in it', () => {
  const program = `
    import { tempFolder } from './build/test/support/temp-folder.js'
    import { mkdirSync, writeFileSync } from 'node:fs'
    const folder = tempFolder()
    mkdirSync(folder + '/a')
    writeFileSync(folder + '/a/b', '')
    console.log(folder)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.match(stdout, /hopscope-test-/)
  assert.equal(existsSync(stdout.trim()), false)
})
