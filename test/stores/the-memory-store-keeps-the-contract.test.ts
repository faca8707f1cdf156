import { MemoryStore } from '../../src/stores/memory.ts'
import { storeContract } from './contract.ts'

storeContract('memory', async () => {
  let now = 1_700_000_000_000
  const store = new MemoryStore({ maxBytes: 64 * 1024 * 1024, now: () => now })
  return {
    store,
    async pass(ms) {
      now += ms
    },
    close: () => store.close(),
  }
})
