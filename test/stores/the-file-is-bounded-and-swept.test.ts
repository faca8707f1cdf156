import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FileStore } from '../../src/stores/file/file-store.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'

const MIB = 1024 * 1024

async function withStore(
  maxBytes: number,
  run: (store: FileStore, pass: (ms: number) => void, file: string) => Promise<void>,
): Promise<void> {
  const folder = tempFolder()
  let now = 1_700_000_000_000
  const store = await FileStore.open({ folder, sync: false, maxBytes, now: () => now })
  const pass = (ms: number): void => {
    now += ms
  }
  await run(store, pass, join(folder, 'data.mdb'))
  await store.close()
}

async function completed(store: FileStore, body: Buffer): Promise<string> {
  const id = newId()
  const claim = await claimed(store, claimRequest(id))
  await store.dispatch(claim, '', 60_000)
  assert.equal(await store.complete(claim, '', response({ body, bodyBytes: body.length })), true)
  return id
}

test('where it is full claims are refused, an outcome is kept without its body, and nothing is forgotten', async () => {
  await withStore(4 * MIB, async (store, pass, file) => {
    const body = randomBytes(100_000)
    const before = await claimed(store, claimRequest(newId()))
    const ids: string[] = []
    await assert.rejects(
      async () => {
        for (;;) ids.push(await completed(store, ids.length < 60 ? body : Buffer.alloc(500)))
      },
      { name: 'StoreError', fault: 'full' },
    )
    assert.ok(ids.length >= 60)
    for (const id of ids) assert.equal(store.read(id)?.state, 'completed')
    assert.equal(await store.complete(before, '', response({ body, bodyBytes: body.length })), true)
    const { response: kept } = store.read(before.id)!
    assert.equal(kept?.body, undefined)
    assert.equal(kept?.bodyBytes, 100_000)
    assert.ok(statSync(file).size <= 8 * MIB, `${statSync(file).size} bytes`)
    // What expired gives its room back.
    pass(3_600_000)
    await walk(store)
    for (const id of ids) assert.equal(store.read(id)?.state, 'expired')
    await completed(store, body)
  })
})

test('bodies go with their time, records with their grace, and the file is used again', async () => {
  await withStore(64 * MIB, async (store, pass, file) => {
    let size = 0
    for (let round = 0; round < 6; round++) {
      const ids: string[] = []
      for (let i = 0; i < 40; i++) ids.push(await completed(store, randomBytes(200_000)))
      pass(3_600_000)
      await walk(store)
      assert.equal(store.read(ids[0]!)?.state, 'expired')
      assert.equal(store.counts().expired, 40)
      pass(3_600_000)
      await walk(store)
      assert.equal(store.read(ids[0]!), undefined)
      assert.deepEqual(store.counts(), {})
      if (round === 2) size = statSync(file).size
    }
    assert.ok(statSync(file).size <= size * 1.2, `${size} bytes grew to ${statSync(file).size}`)
  })
})

test('a claim over a forgotten record takes its body away', async () => {
  await withStore(64 * MIB, async (store, pass) => {
    const id = await completed(store, randomBytes(100_000))
    pass(7_200_000)
    const claim = await claimed(store, claimRequest(id))
    await store.dispatch(claim, '', 60_000)
    await store.complete(claim, '', response({ body: Buffer.from('new'), bodyBytes: 3 }))
    assert.equal(store.read(id)?.response?.body?.toString(), 'new')
  })
})

/** A whole walk, whatever one was under way. */
async function walk(store: FileStore): Promise<void> {
  for (let ends = 0; ends < 2; ) if (await store.sweep(256)) ends++
}

const mountable = process.getuid?.() === 0 && process.platform === 'linux'

test('a disk without space is a store error, not the end', { skip: !mountable && 'needs root' }, async () => {
  const folder = tempFolder()
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
  try {
    const store = await FileStore.open({ folder: disk, sync: false, maxBytes: 64 * MIB })
    const ids: string[] = []
    await assert.rejects(
      async () => {
        for (;;) ids.push(await completed(store, randomBytes(50_000)))
      },
      { name: 'StoreError' },
    )
    assert.ok(ids.length > 3)
    for (const id of ids) assert.equal(store.read(id)?.state, 'completed')
    await store.close()
  } finally {
    execFileSync('umount', ['-l', disk])
  }
})
