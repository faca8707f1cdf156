/**
 * Random requests, connections, answers, failures, clients that leave, crashes, leases and clock moves, in any order, over
 * several processes with one store. Held against what must be true of every history.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ModelStore, type Operation } from './model-store.ts'
import { connectionRefused, reset, settled, type WorldAttempt, WorldClient, WorldProcess } from './world.ts'

const LEASE_MS = 10_000
const TTL_MS = 100_000
const GRACE_MS = 50_000
const POLICY = {
  mode: 'honour',
  ttlMs: TTL_MS,
  waitMs: 1_000_000,
  maxBodyBytes: 1000,
  maxResponseBytes: 100,
  release: ['429'],
  onStoreDown: 'closed',
  onUnknown: 'refuse',
  principal: 'address',
} as const

type Action =
  | { readonly do: 'request'; readonly process: number; readonly key: string; readonly body: string; chunked: boolean }
  | { readonly do: 'connect' | 'refuse' | 'reset'; readonly nth: number }
  | { readonly do: 'respond'; readonly nth: number; readonly status: number; readonly large: boolean }
  | { readonly do: 'leave'; readonly nth: number }
  | { readonly do: 'crash' | 'tick'; readonly process: number }
  | { readonly do: 'reused'; readonly process: number; readonly reused: boolean }
  | { readonly do: 'clock'; readonly ms: number }
  | { readonly do: 'store'; readonly fails: readonly Operation[] }

/** Histories of each kind; more by the environment. */
const RUNS = Number(process.env.TEST_HISTORIES ?? 800)

const nth = fc.nat(5)
const place = fc.nat(1)
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('request' as const),
      process: place,
      key: fc.constantFrom('a', 'b'),
      body: fc.constantFrom('one', 'two', ''),
      chunked: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('connect' as const), nth }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('respond' as const),
      nth,
      status: fc.constantFrom(200, 201, 500, 429),
      large: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('refuse' as const, 'reset' as const), nth }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), nth }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), process: place }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), process: place }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reused' as const), process: place, reused: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('clock' as const), ms: fc.constantFrom(1, LEASE_MS, TTL_MS, GRACE_MS) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('store' as const),
      fails: fc.constantFrom<readonly Operation[]>(
        [],
        [],
        ['claim'],
        ['dispatch'],
        ['complete'],
        ['renew', 'release', 'markUnknown'],
        ['read'],
      ),
    }),
  },
)

/** A request that an upstream saw. */
interface Run {
  readonly number: number
  readonly key: string
  readonly body: string
  readonly attempt: WorldAttempt
  readonly process: WorldProcess
  readonly beganMs: number
  /** Undefined while it has not answered. */
  answer: { readonly status: number; readonly text: string; readonly ms: number } | undefined
}

class History {
  readonly store = new ModelStore()
  readonly processes: WorldProcess[] = []
  readonly clients: WorldClient[] = []
  readonly runs: Run[] = []
  #seen = new Set<WorldAttempt>()

  constructor(slow: boolean) {
    for (let i = 0; i < 2; i++) this.processes.push(this.#fork())
    this.#fails([], slow)
    this.#slow = slow
  }

  readonly #slow: boolean

  #fork(): WorldProcess {
    return new WorldProcess(this.store, POLICY, { leaseMs: LEASE_MS, graceMs: GRACE_MS })
  }

  #fails(operations: readonly Operation[], slow: boolean): void {
    this.store.around = (operation) => {
      if (operations.includes(operation)) return Promise.reject(new Error('down, by a test'))
      return slow ? new Promise((resolve) => setImmediate(resolve)) : undefined
    }
  }

  #attempts(holds: (attempt: WorldAttempt) => boolean): WorldAttempt[] {
    return this.processes.flatMap(({ attempts }) => attempts.filter((one) => !one.over && holds(one)))
  }

  async play(one: Action): Promise<void> {
    switch (one.do) {
      case 'request':
        this.clients.push(new WorldClient(this.processes[one.process]!, one.key, one.body, one.chunked))
        break
      case 'connect':
        pick(
          this.#attempts(({ ready }) => !ready),
          one.nth,
        )?.connect()
        break
      case 'refuse':
        pick(
          this.#attempts(({ ready }) => !ready),
          one.nth,
        )?.fail(connectionRefused())
        break
      case 'reset':
        pick(
          this.#attempts(({ ready }) => ready),
          one.nth,
        )?.fail(reset())
        break
      case 'respond':
        this.#respond(one)
        break
      case 'leave':
        pick(
          this.clients.filter(({ over }) => !over),
          one.nth,
        )?.leave()
        break
      case 'crash':
        this.processes[one.process]!.dead = true
        this.processes[one.process] = this.#fork()
        break
      case 'tick':
        this.processes[one.process]!.tick()
        break
      case 'reused':
        this.processes[one.process]!.nextReused = one.reused
        break
      case 'clock':
        this.store.nowMs += one.ms
        break
      case 'store':
        this.#fails(one.fails, this.#slow)
    }
    await settled()
    this.#note()
  }

  #respond({ nth, status, large }: { nth: number; status: number; large: boolean }): void {
    const run = pick(
      this.runs.filter(({ attempt, process }) => !attempt.over && attempt.receivedEnd && !process.dead),
      nth,
    )
    if (run === undefined) return
    const text = `run ${run.number}${large ? 'x'.repeat(200) : ''}`
    run.answer = { status, text, ms: this.store.nowMs }
    run.attempt.respond(status, text)
  }

  /** Requests that the upstream sees for the first time. */
  #note(): void {
    for (const process of this.processes) {
      for (const attempt of process.attempts) {
        if (!attempt.begun || this.#seen.has(attempt)) continue
        this.#seen.add(attempt)
        const client = this.clients.find(({ x }) => x === attempt.exchange)!
        const run: Run = {
          number: this.runs.length,
          key: client.key,
          body: client.body,
          attempt,
          process,
          beganMs: this.store.nowMs,
          answer: undefined,
        }
        this.#atMostOnce(run)
        this.runs.push(run)
      }
    }
  }

  /** A key may run again only where nothing ran before, or so late that it was forgotten. */
  #atMostOnce(run: Run): void {
    for (const before of this.runs) {
      if (before.key !== run.key) continue
      const released = before.answer?.status === 429
      const forgotten = run.beganMs >= before.beganMs + TTL_MS
      assert.ok(released || forgotten, `run ${run.number} of key ${run.key} after run ${before.number}`)
    }
  }

  check(): void {
    for (const client of this.clients) {
      if (!client.ended) continue
      assert.ok(!client.bypassed, 'nothing goes round a store that must be closed')
      const run = /^run (\d+)/.exec(client.answer)?.[1]
      if (run === undefined) assert.ok([409, 422, 502, 503].includes(client.status), String(client.status))
      else this.#checkAnswer(client, this.runs[Number(run)]!)
    }
  }

  /** An answer is that of a run of the same key and the same body, as the upstream gave it. */
  #checkAnswer(client: WorldClient, run: Run): void {
    assert.equal(client.key, run.key)
    assert.equal(client.body, run.body)
    assert.equal(client.answer, run.answer?.text)
    assert.equal(client.status, run.answer?.status)
    assert.equal(client.replayed, client.x !== run.attempt.exchange)
  }

  /** Answer what is still running, let all waits end, and look whether anyone was forgotten. */
  async finish(): Promise<void> {
    this.#fails([], this.#slow)
    for (let round = 0; round < 20; round++) {
      for (const attempt of this.#attempts(({ ready }) => !ready)) attempt.connect()
      await settled()
      this.#note()
      for (const run of this.runs) {
        if (run.attempt.over || run.process.dead) continue
        run.answer = { status: 200, text: `run ${run.number}`, ms: this.store.nowMs }
        run.attempt.respond(200, run.answer.text)
      }
      await settled()
      this.#note()
    }
    for (const process of this.processes) process.tick()
    await settled()
    this.#note()
    assert.ok(
      this.clients.every(({ over, x }) => over || x.finished),
      'somebody still waits',
    )
    for (const { driver } of this.processes) assert.equal(driver.active, 0)
    for (const { idempotency } of this.processes) {
      const { flights } = (await idempotency.describe()) as { flights: number }
      assert.equal(flights, 0, 'a flight has not landed')
    }
  }

  /** What was stored is given to whoever asks, for as long as it is kept. */
  async probe(): Promise<void> {
    for (const key of ['a', 'b']) {
      const runs = this.runs.filter((run) => run.key === key)
      const last = runs.at(-1)
      const whole = last?.answer !== undefined && last.answer.status !== 429 && last.answer.text.length <= 100
      const known = whole && last.attempt.exchange.idempotency === 'first' && last.attempt.exchange.finished
      if (!known || this.store.nowMs >= last.beganMs + TTL_MS) continue
      const kept = [...this.store.records.values()].some(
        ({ response }) => response?.body?.toString('latin1') === last.answer!.text,
      )
      if (!kept) continue
      const client = new WorldClient(this.processes[0]!, key, last.body, false)
      await settled()
      if (client.status === 409) continue // expired in the meantime
      assert.equal(client.answer, last.answer!.text)
      assert.ok(client.replayed)
    }
  }
}

function pick<T>(from: readonly T[], nth: number): T | undefined {
  return from.length === 0 ? undefined : from[nth % from.length]
}

for (const slow of [false, true]) {
  test(`a store that answers ${slow ? 'later' : 'at once'}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const history = new History(slow)
        for (const one of actions) await history.play(one)
        await history.finish()
        history.check()
        await history.probe()
        history.check()
      }),
      { numRuns: RUNS, includeErrorInReport: true },
    )
  })
}
