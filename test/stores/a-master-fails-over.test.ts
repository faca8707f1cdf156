import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IdempotencyRecord } from '../../src/exchange/idempotency-store.ts'
import type { RedisStore } from '../../src/stores/redis.ts'
import { freePort } from '../support/free-port.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { noRedis, redisCli, replicaLinked, startRedis, startSentinel } from './redis-server.ts'
import { answers, openRedisStore } from './redis-store.ts'
import { claimed, claimRequest, newId, response } from './requests.ts'

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, what)
    await sleep(50)
  }
}

/** The id of a record that the replica has as well. */
async function completed(store: RedisStore): Promise<string> {
  const claim = await claimed(store, claimRequest(newId()))
  await store.dispatch(claim, '', 60_000)
  await store.complete(claim, '', response())
  return claim.id
}

/** Whether the store answers; then the record is there. */
async function states(store: RedisStore, id: string): Promise<boolean> {
  let record: IdempotencyRecord | undefined
  try {
    record = await store.read(id)
  } catch {
    return false
  }
  assert.equal(record?.state, 'completed')
  return true
}

/** The id of a claim that was refused because no replica has it; undefined where it failed in another way. */
async function refusedByReplicas(store: RedisStore): Promise<string | undefined> {
  // One of its own each time: a claim whose connection the failover cut may stand until its lease ends.
  const id = newId()
  try {
    await store.claim(claimRequest(id))
  } catch (error) {
    return /0 of 1 replicas/.test(String(error)) ? id : undefined
  }
  assert.fail('no replica is left to take a claim')
}

/** Whether it has asked the replica itself: one that it only heard of is none to fail over to. */
function knowsReplica(sentinelPort: number): boolean {
  return redisCli(sentinelPort, 'sentinel', 'replicas', 'main').includes('master-link-status\nok')
}

/**
 * Before a sentinel: once it holds, answers to new connections wait until the failover was told of on an older one, and
 * that waits until there is such an answer.
 */
async function slowSentinel(
  sentinelPort: number,
): Promise<{ port: number; hold(): void; held(): number; close(): void }> {
  const waiting: (() => void)[] = []
  const sockets = new Set<Socket>()
  let holding = false
  let released = 0
  let tell: (() => void) | undefined
  const meet = (): void => {
    if (tell === undefined || waiting.length === 0) return
    holding = false
    released = waiting.length
    tell()
    tell = undefined
    // The client is to have read of the failover first.
    setTimeout(() => {
      for (const send of waiting.splice(0)) send()
    }, 100)
  }
  const server = createServer((client) => {
    const upstream = connect(sentinelPort, '127.0.0.1')
    const isLate = holding
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => client.destroy()))
    client.pipe(upstream)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    upstream.on('data', (bytes) => {
      const send = (): boolean => client.write(bytes)
      if (!holding) send()
      else if (isLate) waiting.push(send)
      else if (bytes.includes('+switch-master')) tell = send
      else send()
      meet()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    hold: () => {
      holding = true
    },
    held: () => released,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('a failover that is told of while the new master is being asked for does not end the client', {
  skip: noRedis,
}, async (t) => {
  const folder = tempFolder()
  const master = await startRedis(folder, await freePort())
  const replica = await startRedis(folder, await freePort(), [`replicaof 127.0.0.1 ${master.port}`])
  await replicaLinked(replica.port)
  const sentinel = await startSentinel(folder, await freePort(), master.port)
  const relay = await slowSentinel(sentinel.port)
  const store = await openRedisStore(`redis-sentinel://127.0.0.1:${relay.port}/main`)
  t.after(async () => {
    await store.close()
    relay.close()
    for (const server of [sentinel, replica]) await server.kill()
  })
  await until('the sentinel knows the replica', () => knowsReplica(sentinel.port))
  relay.hold()
  await master.kill()
  await until('an answer waited for the failover', () => relay.held() > 0)
  await answers(store)
})

test('by sentinel: what a replica had is there after the master died', { skip: noRedis }, async (t) => {
  const folder = tempFolder()
  const master = await startRedis(folder, await freePort())
  const replica = await startRedis(folder, await freePort(), [`replicaof 127.0.0.1 ${master.port}`])
  await replicaLinked(replica.port)
  const sentinel = await startSentinel(folder, await freePort(), master.port)
  const store = await openRedisStore(`redis-sentinel://127.0.0.1:${sentinel.port}/main`, { waitReplicas: 1 })
  t.after(async () => {
    await store.close()
    for (const server of [sentinel, replica]) await server.kill()
  })
  let done = ''
  await until('a record is on both servers', async () => {
    done = await completed(store).catch(() => '')
    return done !== ''
  })
  await until('the sentinel knows the replica', () => knowsReplica(sentinel.port))
  await master.kill()
  await assert.rejects(async () => store.claim(claimRequest(newId())))
  await until('the record is there', () => states(store, done))
  // The only server that is left has no replica: a write that must be on one is refused, and taken back.
  let refused: string | undefined
  await until('claims reach the new master', async () => {
    refused = await refusedByReplicas(store)
    return refused !== undefined
  })
  await until('it is taken back', async () => (await store.read(refused!)) === undefined)
})
