import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { LogFields, Logger } from '../../src/core/log.ts'
import { FileStore } from '../../src/stores/file/file-store.ts'
import { bootIdOf } from '../../src/stores/file/guard.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'

const skip = bootIdOf() === undefined && 'the boot of this machine cannot be told'
const PAGE = 4096

let said: LogFields[] = []
const note = (fields: LogFields): void => {
  said.push(fields)
}
const log: Logger = { debug: note, info: note, warn: note, error: note }
before(() => {
  said = []
})

const open = (folder: string, sync = false): Promise<FileStore> =>
  FileStore.open({ folder, sync, maxBytes: 2 ** 28, log })

async function completed(store: FileStore, bytes: number): Promise<string> {
  const id = newId()
  const claim = await claimed(store, claimRequest(id))
  await store.dispatch(claim, '', 60_000)
  await store.complete(claim, '', response({ body: Buffer.alloc(bytes, id), bodyBytes: bytes }))
  return id
}

/** As after another boot of the machine. */
function reboot(folder: string): void {
  const path = join(folder, 'boot.json')
  const state = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...state, bootId: 'another' }))
}

test('a file that was on the disk is opened as it is after another boot', { skip }, async () => {
  const folder = tempFolder()
  const store = await open(folder)
  const ids = [await completed(store, 10), await completed(store, 50_000)]
  await store.close()
  reboot(folder)
  said = []
  const again = await open(folder)
  for (const id of ids) assert.equal(again.read(id)?.state, 'completed')
  assert.deepEqual(said, [])
  assert.ok(!existsSync(join(folder, 'torn.mdb')))
  await again.close()
})

test('of a file that was torn by a loss of power, all is read that is sound, and nothing ends the process', {
  skip,
}, async () => {
  for (let round = 0; round < 3; round++) {
    const folder = tempFolder()
    const data = join(folder, 'data.mdb')
    const store = await open(folder)
    const early: string[] = []
    for (let i = 0; i < 300; i++) early.push(await completed(store, i % 10 === 0 ? 20_000 : 200))
    await store.close()
    const atSync = readFileSync(data)
    const later = await open(folder)
    for (let i = 0; i < 300; i++) await completed(later, i % 10 === 0 ? 20_000 : 200)
    // Some pages of what was written since are on the disk, some are not.
    copyFileSync(data, join(folder, 'now'))
    await later.close()
    const torn = readFileSync(join(folder, 'now'))
    for (let at = 0; at < torn.length; at += PAGE) {
      if (Math.random() < 0.8) continue
      const old = atSync.subarray(at, at + PAGE)
      torn.fill(0, at, at + PAGE)
      old.copy(torn, at)
    }
    const stateOfThen = JSON.parse(readFileSync(join(folder, 'boot.json'), 'utf8')) as object
    writeFileSync(join(folder, 'boot.json'), JSON.stringify({ ...stateOfThen, bootId: 'another', syncedTxn: 1 }))
    writeFileSync(data, torn)
    said = []
    const saved = await open(folder)
    assert.equal(said.length, 1, 'it is told')
    assert.ok(existsSync(join(folder, 'torn.mdb')))
    for (const id of early) {
      const record = saved.read(id)
      const body = record?.response?.body
      if (body !== undefined) assert.ok(body.equals(Buffer.alloc(body.length, id)), 'no body of another')
    }
    await completed(saved, 50_000)
    await saved.close()
  }
})

test('a file that makes no sense at all is set aside', { skip }, async () => {
  const folder = tempFolder()
  const store = await open(folder)
  const id = await completed(store, 10)
  await store.close()
  reboot(folder)
  writeFileSync(join(folder, 'data.mdb'), randomBytes(40 * PAGE))
  const again = await open(folder)
  assert.equal(again.read(id), undefined)
  await completed(again, 10)
  assert.ok(existsSync(join(folder, 'torn.mdb')))
  await again.close()
})

test('with sync nothing is looked at: what was told is there', { skip }, async () => {
  const folder = tempFolder()
  const store = await open(folder, true)
  const id = await completed(store, 10)
  assert.ok(!existsSync(join(folder, 'boot.json')))
  await store.close()
  const unsynced = await open(folder)
  assert.equal(unsynced.read(id)?.state, 'completed')
  await unsynced.close()
  const synced = await open(folder, true)
  assert.ok(!existsSync(join(folder, 'boot.json')))
  assert.equal(synced.read(id)?.state, 'completed')
  await synced.close()
})
