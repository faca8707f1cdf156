import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { linesOf } from '../../src/core/field-lines.ts'
import { crc32, crc32ByTable } from '../../src/stores/crc32.ts'
import { FileStore } from '../../src/stores/file/file-store.ts'
import { bodyKeyOf, keyOf } from '../../src/stores/file/keys.ts'
import { type LmdbDatabase, openLmdb } from '../../src/stores/file/lmdb-database.ts'
import { decodeEntry, encodeEntry, NO_BODY } from '../../src/stores/file/record-codec.ts'
import type { Entry } from '../../src/stores/lifecycle.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { claimed, claimRequest, claimState, newId, response } from './requests.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) })
const fields = fc
  .array(fc.tuple(latin1, latin1), { maxLength: 5 })
  .map((pairs) => linesOf(pairs.map(([name, value]) => [name.replace(/[:\r\n]/g, '-'), value.replace(/[\r\n]/g, ' ')])))
const plain = { noNullPrototype: true } as const
const entries: fc.Arbitrary<Entry> = fc.record(
  {
    state: fc.constantFrom('claimed', 'dispatched', 'completed', 'unknown', 'expired'),
    fingerprint: latin1,
    createdMs: fc.double({ noNaN: true }),
    requestId: latin1,
    traceparent: latin1,
    response: fc.option(
      fc.record(
        {
          status: fc.integer({ min: 0, max: 65_535 }),
          headers: fields,
          body: fc.option(
            fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
            { nil: undefined },
          ),
          bodyBytes: fc.nat(),
          trailers: fields,
          completedMs: fc.double({ noNaN: true }),
        },
        plain,
      ),
      { nil: undefined },
    ),
    owner: latin1,
    fence: fc.maxSafeNat(),
    leaseUntilMs: fc.double({ noNaN: true }),
    expiresMs: fc.double({ noNaN: true }),
    forgottenMs: fc.double({ noNaN: true }),
  },
  plain,
)

const encoded = (entry: Entry): Buffer =>
  encodeEntry(entry, entry.response?.body === undefined ? NO_BODY : { place: 'inline', crc: 0 })

test('a record is decoded as it was encoded', () => {
  fc.assert(
    fc.property(entries, (entry) => {
      const decoded = decodeEntry(encoded(entry))
      assert.equal(decoded.kind, 'entry')
      assert.deepEqual(decoded.entry, entry)
    }),
    { numRuns: 500 },
  )
})

test('no bit of a record can flip unnoticed, and no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(entries, fc.nat(), (entry, bit) => {
      const bytes = encoded(entry)
      const at = bit % (bytes.length * 8)
      bytes[at >> 3]! ^= 1 << (at & 7)
      assert.notEqual(decodeEntry(bytes).kind, 'entry')
      assert.notEqual(decodeEntry(bytes.subarray(0, at >> 3)).kind, 'entry')
    }),
    { numRuns: 500 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => decodeEntry(Buffer.from(bytes)).kind !== 'entry'))
})

test('the sum is the same on every Node', () => {
  assert.equal(crc32ByTable(Buffer.from('123456789')), 0xcbf43926)
  for (const size of [0, 1, 1000]) {
    const bytes = randomBytes(size)
    assert.equal(crc32(bytes), crc32ByTable(bytes))
  }
})

/** A store, and the same file by hand. */
async function withFile(run: (store: FileStore, db: LmdbDatabase, pass: (ms: number) => void) => Promise<void>) {
  const folder = tempFolder()
  let now = 1_700_000_000_000
  const options = { folder, sync: false, maxBytes: 64 * MIB, now: () => now }
  const store = await FileStore.open(options)
  const db = await openLmdb(folder, false)
  await run(store, db, (ms) => {
    now += ms
  })
  await db.close()
  await store.close().catch(() => {})
}

async function completedIn(store: FileStore, body: Buffer): Promise<string> {
  const id = newId()
  const claim = await claimed(store, claimRequest(id))
  await store.dispatch(claim, '', 60_000)
  await store.complete(claim, '', response({ body, bodyBytes: body.length }))
  return id
}

test('a damaged record is unknown, counted, and ends some day', async () => {
  await withFile(async (store, db, pass) => {
    const id = await completedIn(store, Buffer.from('small'))
    const { value, version } = db.getEntry(keyOf(id))!
    const bytes = Buffer.from(value)
    bytes[40]! ^= 1
    await db.put(keyOf(id), bytes, version! + 1)
    assert.equal(store.read(id)?.state, 'unknown')
    assert.equal(await claimState(store, claimRequest(id)), 'unknown')
    assert.ok(store.losses.damaged > 0)
    while (!(await store.sweep(64)));
    assert.equal(store.read(id)?.state, 'unknown')
    pass(DAY_MS)
    assert.equal(store.read(id)?.state, 'expired')
    pass(DAY_MS)
    assert.equal(await claimState(store, claimRequest(id)), 'free')
  })
})

test('a record of another version of this program is in doubt, and left alone', async () => {
  await withFile(async (store, db, pass) => {
    const id = newId()
    const bytes = Buffer.concat([Buffer.of(2), randomBytes(200)])
    await db.put(keyOf(id), bytes, 7)
    pass(30 * DAY_MS)
    while (!(await store.sweep(64)));
    assert.equal(await claimState(store, claimRequest(id)), 'unknown')
    assert.deepEqual(db.getEntry(keyOf(id))?.value, bytes)
    assert.equal(await claimState(store, claimRequest(id, { overUnknown: true })), 'free')
  })
})

test('of a damaged body, or one that is gone, the rest is told', async () => {
  await withFile(async (store, db) => {
    const body = randomBytes(10_000)
    const [short, gone] = [await completedIn(store, body), await completedIn(store, body)]
    await db.put(bodyKeyOf(short), body.subarray(1), 1)
    await db.remove(bodyKeyOf(gone))
    for (const id of [short, gone]) {
      const record = store.read(id)
      assert.equal(record?.state, 'completed')
      assert.equal(record.response?.body, undefined)
      assert.equal(record.response?.bodyBytes, 10_000)
    }
    assert.equal(store.losses.bodies, 2)
  })
})
