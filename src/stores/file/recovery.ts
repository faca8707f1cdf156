/**
 * A process of its own (see file-guard): looks at a data file that may be torn and saves what is sound into a new one.
 * Whatever the torn pages do to it, they do it to nobody else.
 */

import type { RecoveryOrder, RecoveryResult } from './guard.ts'
import { isBodyKey } from './keys.ts'
import { type LmdbDatabase, openLmdb } from './lmdb-database.ts'
import { decodeEntry } from './record-codec.ts'

/** Records in a transaction of the new file. */
const BATCH = 512

process.once('message', (order: RecoveryOrder) => {
  void recover(order).then(
    (result) => process.send!(result, () => process.exit(0)),
    () => process.exit(1),
  )
})

async function recover({ folder, saved, syncedTxn }: RecoveryOrder): Promise<RecoveryResult> {
  const torn = await openLmdb(folder, true)
  if (torn.getStats().lastTxnId === syncedTxn) {
    await torn.close()
    return { kind: 'clean' }
  }
  const sound = await openLmdb(saved, true)
  const result = await copySound(torn, sound)
  await sound.close()
  return result
}

async function copySound(torn: LmdbDatabase, sound: LmdbDatabase): Promise<RecoveryResult> {
  let records = 0
  let lost = 0
  let writes: Promise<boolean>[] = []
  for (const key of torn.getKeys({ limit: Number.MAX_SAFE_INTEGER, snapshot: true })) {
    const own = Buffer.from(key)
    const found = torn.getEntry(own)
    // A body is sound or not as its record says when it is read.
    const isSound = found !== undefined && (isBodyKey(own) || decodeEntry(found.value).kind !== 'damaged')
    if (!isSound) {
      lost++
      continue
    }
    if (!isBodyKey(own)) records++
    writes.push(sound.put(own, Buffer.from(found.value), found.version ?? 0))
    if (writes.length < BATCH) continue
    await Promise.all(writes)
    writes = []
  }
  await Promise.all(writes)
  return { kind: 'saved', records, lost }
}
