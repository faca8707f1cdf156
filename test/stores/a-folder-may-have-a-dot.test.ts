import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../src/core/log.ts'
import { openStore } from '../../src/stores/open.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { claimRequest, newId } from './requests.ts'

test('a folder with a dot in its name is a folder, there before or not', async () => {
  const path = tempFolder()
  const [folder, id] = [join(path, 'hopscope.d'), newId()]
  for (const expected of ['claimed', 'exists']) {
    const store = await openStore(`file:${folder}`, { log: silentLogger })
    assert.equal((await store.claim(claimRequest(id))).kind, expected)
    await store.close()
  }
  assert.ok(readdirSync(folder).includes('data.mdb'))
})
