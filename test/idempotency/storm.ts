/**
 * Requests with few keys from many clients through several proxies, while something is killed again and again. Whatever
 * happens, no key runs twice, and at the end each is replayed, unknown, or was never run and is free.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Instance, startInstance } from '../process/instance.ts'
import { field, type Message, Peer } from '../support/client.ts'
import { CountingOrigin } from './counting-origin.ts'
import { post } from './support.ts'

/** Short, so that what a dead process held is settled soon. */
const LEASE_MS = 1000
const SETTINGS = [
  ...['--idempotency-on-store-down', 'closed'],
  ...['--idempotency-lease-ms', String(LEASE_MS)],
  ...['--idempotency-wait-ms', '300'],
  ...['--idempotency-store-budget-ms', '2000'],
]
const CLIENTS = 12

/** Numbers from a seed, so that a history can be had again as far as timing allows (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** The seed of the environment, or a new one. */
export const seedOf = (): number => Number(process.env.TEST_CRASH_SEED ?? randomInt(2 ** 31))

export class Storm {
  readonly random: () => number
  readonly origin: CountingOrigin
  readonly #store: string
  readonly proxies: (Instance | undefined)[]
  /** Body of the answers that clients got, by key. */
  readonly #answered = new Map<string, string>()
  #keys = 0
  #stopped = false
  readonly #clients: Promise<void>[] = []
  /** What clients saw, by status or fault. */
  readonly seen = new Map<string, number>()

  private constructor(origin: CountingOrigin, store: string, processes: number, random: () => number) {
    this.origin = origin
    this.#store = store
    this.random = random
    this.proxies = new Array<undefined>(processes).fill(undefined)
  }

  static async start(store: string, processes: number, seed: number): Promise<Storm> {
    const random = randomFrom(seed)
    const origin = await CountingOrigin.start(() => random() * 30)
    const storm = new Storm(origin, store, processes, random)
    await Promise.all(storm.proxies.map((_, slot) => storm.launch(slot)))
    for (let i = 0; i < CLIENTS; i++) storm.#clients.push(storm.#client())
    return storm
  }

  async launch(slot: number): Promise<void> {
    this.proxies[slot] = await startInstance(this.origin.url, ['--idempotency-store', this.#store, ...SETTINGS])
  }

  /** kill -9, and a new one in its place. */
  async replace(slot: number): Promise<void> {
    const proxy = this.proxies[slot]
    this.proxies[slot] = undefined
    await proxy?.stop('SIGKILL')
    await this.launch(slot)
  }

  /** Asks for one of the newest keys, each several times. */
  async #client(): Promise<void> {
    while (!this.#stopped) {
      if (this.random() < 0.15) this.#keys++
      const key = `key ${Math.max(0, this.#keys - Math.floor(this.random() * 4))}`
      const proxy = this.proxies[Math.floor(this.random() * this.proxies.length)]
      if (proxy === undefined) {
        await sleep(5)
        continue
      }
      const answer = await ask(proxy.port, key)
      this.#note(key, answer)
      // It is the moments that matter, not the load.
      await sleep(typeof answer === 'string' || answer.status !== 200 ? 15 : 3)
    }
  }

  #note(key: string, answer: Message | string): void {
    const what = typeof answer === 'string' ? answer : String(answer.status)
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
    if (typeof answer === 'string' || answer.status !== 200) return
    const before = this.#answered.get(key)
    if (before === undefined) this.#answered.set(key, answer.body)
    else assert.equal(answer.body, before, `two answers to ${key}`)
  }

  /** No more requests; what they found out is held against the upstream's count. */
  async finish(): Promise<Record<'replayed' | 'unknown' | 'free', number>> {
    this.#stopped = true
    await Promise.all(this.#clients)
    this.#atMostOnce()
    // Leases of the dead run out.
    await sleep(LEASE_MS + 100)
    const ends = { replayed: 0, unknown: 0, free: 0 }
    let next = 0
    const look = async (): Promise<void> => {
      for (let i = next++; i <= this.#keys; i = next++) ends[await this.#endOf(`key ${i}`)]++
    }
    await Promise.all(Array.from({ length: CLIENTS }, look))
    this.#atMostOnce()
    return ends
  }

  #atMostOnce(): void {
    const twice = [...this.origin.runs].filter(([, runs]) => runs > 1)
    assert.deepEqual(twice, [], 'these keys ran more than once')
  }

  async #endOf(key: string): Promise<'replayed' | 'unknown' | 'free'> {
    const ran = this.origin.runs.get(quoted(key)) ?? 0
    const answer = await this.#askAtEase(key)
    this.#note(key, answer)
    if (answer.status === 409) {
      assert.match(answer.body, /idempotency_outcome_unknown/, key)
      return 'unknown'
    }
    assert.equal(answer.status, 200, `${key}: ${answer.body}`)
    const replayed = field(answer, 'idempotent-replayed') === 'true'
    assert.equal(ran, replayed ? 1 : 0, `${key} was run ${ran} times and then ${replayed ? 'replayed' : 'run'}`)
    return replayed ? 'replayed' : 'free'
  }

  /** A proxy that took its store for down may need a moment to find it again. */
  async #askAtEase(key: string): Promise<Message> {
    const patientUntil = performance.now() + AT_EASE_MS
    for (;;) {
      const answer = await ask(this.proxies[0]!.port, key)
      assert.ok(typeof answer !== 'string', `${key}: ${String(answer)}`)
      if (answer.status !== 503 || performance.now() > patientUntil) return answer
      await sleep(50)
    }
  }

  async close(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.proxies.map((proxy) => proxy?.stop('SIGKILL')))
    this.origin.close()
  }
}

const AT_EASE_MS = 10_000
const quoted = (key: string): string => `"${key}"`

/** The answer, or what went wrong with the connection. */
async function ask(port: number, key: string): Promise<Message | string> {
  let client: Peer | undefined
  try {
    client = await Peer.connect(port)
    client.send(post({ key: quoted(key) }))
    return await client.message()
  } catch (error) {
    return error instanceof Error ? error.constructor.name : 'fault'
  } finally {
    client?.socket.destroy()
  }
}
