/**
 * Clocks of hosts against each other, over many traces: which one is wrong, and by how much. Each hop that was seen from
 * both ends gives a sample (assembly/clocks.ts); the surest of some seconds counts, and the clock that is far from the middle
 * of all is the wrong one. Of two hosts nobody can say which.
 */
import { type ClockSample, hostClocks } from '../assembly/clocks.ts'

/** Clocks that agree to this are good enough to lay spans side by side; NTP steps a clock from 128 ms on. */
const LIMIT_US = 100_000
const SLOT_S = 4
/** Hops of a slot that it takes. */
const ENOUGH = 5
/** A pair of which nothing came for so long says nothing. */
const STALE_S = 40
const MAX_PAIRS = 8192
const MAX_HOSTS = 16_384

interface Pair {
  readonly client: number
  readonly server: number
  slot: number
  /** Best of the slot that runs. */
  offsetUs: number
  uncertaintyUs: number
  samples: number
  /** Of the last whole one; undefined before. */
  done: ClockSample | undefined
  doneS: number
}

export interface Drift {
  /** Numbers of names: the host whose clock is wrong; of two, the one called. */
  readonly host: number
  /** The other where there are but two; 0 where the rest agree. */
  readonly against: number
  /** Its clock less that of the rest, microseconds. */
  readonly offsetUs: number
  readonly uncertaintyUs: number
  readonly samples: number
}

export class ClockWatch {
  readonly #pairs = new Map<number, Pair>()
  /** The service of a host, 0 for several. */
  readonly #services = new Map<number, number>()

  /** The name that stands for a host: its only service, where it has one only. */
  serviceOf(host: number): number {
    return this.#services.get(host) || host
  }

  runs(service: number, host: number): void {
    const known = this.#services.get(host)
    if (known === undefined && this.#services.size < MAX_HOSTS) this.#services.set(host, service)
    else if (known !== service) this.#services.set(host, 0)
  }

  /** A hop from one host to another; `offsetUs` is the server's clock less the client's. */
  add(client: number, server: number, offsetUs: number, uncertaintyUs: number, nowS: number): void {
    const key = client * 0x1000000 + server
    let pair = this.#pairs.get(key)
    if (pair === undefined) {
      if (this.#pairs.size >= MAX_PAIRS) return
      const slot = Math.floor(nowS / SLOT_S)
      pair = { client, server, slot, offsetUs, uncertaintyUs, samples: 0, done: undefined, doneS: 0 }
      this.#pairs.set(key, pair)
    }
    if (nowS >= (pair.slot + 1) * SLOT_S) turn(pair, nowS)
    pair.samples++
    if (pair.samples > 1 && uncertaintyUs >= pair.uncertaintyUs) return
    pair.offsetUs = offsetUs
    pair.uncertaintyUs = uncertaintyUs
  }

  /** Clocks that are wrong for sure. */
  drifts(nowS: number): Drift[] {
    const samples: ClockSample[] = []
    let bad = false
    for (const [key, pair] of this.#pairs) {
      const { done, doneS } = pair
      if (done === undefined || nowS - doneS > STALE_S) {
        if (nowS - (pair.slot + 1) * SLOT_S > STALE_S) this.#pairs.delete(key)
        continue
      }
      samples.push(done)
      bad ||= Math.abs(done.offsetUs) - done.uncertaintyUs > LIMIT_US
    }
    return bad ? judged(samples) : []
  }
}

function turn(pair: Pair, nowS: number): void {
  const { client, server, offsetUs, uncertaintyUs, samples } = pair
  if (samples >= ENOUGH) {
    pair.done = { client: String(client), server: String(server), offsetUs, uncertaintyUs, samples }
    pair.doneS = nowS
  }
  pair.slot = Math.floor(nowS / SLOT_S)
  pair.samples = 0
}

function judged(samples: readonly ClockSample[]): Drift[] {
  const hosts = new Set(samples.flatMap(({ client, server }) => [client, server]))
  const found: Drift[] = []
  while (hosts.size > 0) {
    const [reference] = hosts as ReadonlySet<string>
    const clocks = [...hostClocks([], reference!, samples, []).values()]
    for (const { host } of clocks) hosts.delete(host)
    const sorted = clocks.map(({ offsetUs }) => offsetUs).sort((a, b) => a - b)
    const [first, second] = clocks
    if (clocks.length === 2 && Math.abs(second!.offsetUs) - second!.uncertaintyUs > LIMIT_US) {
      found.push({ ...second!, host: Number(second!.host), against: Number(first!.host) })
    }
    if (clocks.length <= 2) continue
    const middle = sorted[Math.floor(sorted.length / 2)]!
    for (const { host, offsetUs, uncertaintyUs, samples } of clocks) {
      if (Math.abs(offsetUs - middle) - uncertaintyUs <= LIMIT_US) continue
      found.push({ host: Number(host), against: 0, offsetUs: offsetUs - middle, uncertaintyUs, samples })
    }
  }
  return found
}
