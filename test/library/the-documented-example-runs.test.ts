import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

test('the example of docs/library.md runs as it stands and prints what it says', async () => {
  const text = readFileSync('docs/library.md', 'utf8')
  const code = /```js\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
  const printed = /^prints `(.*?)`/m.exec(text)?.[1] ?? ''
  assert.notEqual(code, '')
  assert.notEqual(printed, '')
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-example-'))
  try {
    const library = pathToFileURL('build/src/app/library.js').href
    const file = join(folder, 'example.mjs')
    writeFileSync(file, code.replace("from 'hopscope'", `from '${library}'`))
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000 })
    assert.equal(stdout.trim(), printed)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
