import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { storeContract } from './contract.ts'
import { noRedis, replicaLinked, startCluster, startRedis, startSentinel } from './redis-server.ts'
import { openRedisStore } from './redis-store.ts'

// The clock is the server's: time passes as it does.
const pass = (ms: number): Promise<void> => sleep(ms + 2)

storeContract(
  'redis',
  async () => {
    const folder = tempFolder()
    const server = await startRedis(folder, await freePort())
    const store = await openRedisStore(server.url)
    return {
      store,
      pass,
      async close() {
        await store.close()
        await server.kill()
      },
    }
  },
  noRedis,
)

storeContract(
  'redis cluster',
  async () => {
    const folder = tempFolder()
    const servers = await startCluster(folder)
    const store = await openRedisStore(`redis-cluster://127.0.0.1:${servers[0]!.port},127.0.0.1:${servers[1]!.port}`)
    return {
      store,
      pass,
      async close() {
        await store.close()
        for (const server of servers) await server.kill()
      },
    }
  },
  noRedis,
)

storeContract(
  'redis by sentinel, written to a replica too',
  async () => {
    const folder = tempFolder()
    const master = await startRedis(folder, await freePort())
    const replica = await startRedis(folder, await freePort(), [`replicaof 127.0.0.1 ${master.port}`])
    const sentinel = await startSentinel(folder, await freePort(), master.port)
    await replicaLinked(replica.port)
    const store = await openRedisStore(`redis-sentinel://127.0.0.1:${sentinel.port}/main`, { waitReplicas: 1 })
    return {
      store,
      pass,
      async close() {
        await store.close()
        for (const server of [sentinel, replica, master]) await server.kill()
      },
    }
  },
  noRedis,
)
