import { FileStore } from '../../src/stores/file.ts'
import { storeContract } from './contract.ts'
import { tempFolder } from './temp-folder.ts'

for (const sync of [false, true]) {
  storeContract(sync ? 'file, synced' : 'file', async () => {
    const folder = tempFolder()
    let now = 1_700_000_000_000
    const store = await FileStore.open({ folder: folder.path, sync, maxBytes: 64 * 1024 * 1024, now: () => now })
    return {
      store,
      async pass(ms) {
        now += ms
      },
      async close() {
        await store.close()
        folder.remove()
      },
    }
  })
}
