import { FileStore } from '../../src/stores/file/file-store.ts'
import { SharedFileStore } from '../../src/stores/file/shared-file-store.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { storeContract } from './contract.ts'

const MAX_BYTES = 64 * 1024 * 1024

for (const sync of [false, true]) {
  storeContract(sync ? 'file, synced' : 'file', async () => {
    const folder = tempFolder()
    let now = 1_700_000_000_000
    const store = await FileStore.open({ folder, sync, maxBytes: MAX_BYTES, now: () => now })
    return {
      store,
      async pass(ms) {
        now += ms
      },
      async close() {
        await store.close()
      },
    }
  })
}

storeContract('file, written by another', async () => {
  const folder = tempFolder()
  let now = 1_700_000_000_000
  const options = { folder, sync: false, maxBytes: MAX_BYTES, now: () => now }
  const owner = await SharedFileStore.open(options)
  const store = await SharedFileStore.open(options)
  return {
    store,
    async pass(ms) {
      now += ms
    },
    async close() {
      await store.close()
      await owner.close()
    },
  }
})
