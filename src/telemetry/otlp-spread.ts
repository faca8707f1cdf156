/**
 * Spans to several receivers, all of a trace to one: its owner by rendezvous hashing, or the next that takes spans while
 * that one does not. What an owner did not acknowledge goes to the next of each trace at once. One receiver is the case
 * of a list of one, where nothing is hashed and nothing moves.
 */
import { joined, type Lookup, type Member, Members, type NamedHost } from '../core/members.ts'
import { Rendezvous, SLOTS } from '../core/rendezvous.ts'
import { type Batch, BatchBuilder } from './otlp-batch.ts'
import { OtlpChannel, type OtlpTarget } from './otlp-channel.ts'
import type { Budget, ExporterOptions } from './otlp-export.ts'
import { Lane, type LaneCounts } from './otlp-lane.ts'
import type { OpenStream, StreamHandlers } from './recorder/link.ts'

const LOOK_EVERY_MS = 250
const RESOLVE_EVERY_MS = 5000
/** Least spans of a batch where many receivers share the memory of batches that fill. */
const LEAST_BATCH = 128
const CLOSE_POLL_MS = 5
/** Longest wait between tries to connect: sooner back than with one receiver, since all that it holds up is its share. */
const RECONNECT_MS = 2000

export interface SpreadOptions
  extends Pick<ExporterOptions, 'timeoutMs' | 'queueBytes' | 'maxInflight' | 'maxAgeMs' | 'counters' | 'warn'> {
  readonly target: OtlpTarget
  /** URLs of which each address is a receiver; undefined: `target.endpoint` is the only one. */
  readonly endpoints: readonly string[] | undefined
  readonly lookup: Lookup
  readonly resource: Readonly<Record<string, string>>
  readonly batchSpans: number
  readonly onRelease: () => void
}

export class OtlpSpread {
  readonly #options: SpreadOptions
  readonly #budget: Budget = { heldBytes: 0 }
  readonly #members: Members | undefined
  readonly #timer: NodeJS.Timeout | undefined
  /** In the order of the names of #order. */
  #lanes: Lane[] = []
  /** Gone from the list, with exports in flight. */
  #leaving: Lane[] = []
  #order = new Rendezvous([])
  /** Index of the lane that takes each slot now. */
  readonly #taker = new Uint8Array(SLOTS)
  #closing = false

  constructor(options: SpreadOptions) {
    this.#options = options
    if (options.endpoints === undefined) {
      const url = new URL(options.target.endpoint)
      const { host, port } = hostOf(url)
      this.#list([{ name: url.host, host, port, serverName: host }])
      return
    }
    const hosts = options.endpoints.map((endpoint) => hostOf(new URL(endpoint)))
    const { lookup } = options
    const onChange = (members: readonly Member[]): void => this.#list(members)
    this.#members = new Members({ hosts, lookup, everyMs: RESOLVE_EVERY_MS, onChange })
    this.#list(this.#members.current)
    void this.#members.refresh()
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
  }

  /** Whether slots matter. */
  get several(): boolean {
    return this.#members !== undefined
  }

  /** Who takes spans of traces of the slot. */
  lane(slot: number): Lane {
    return this.#lanes[this.#taker[slot]!]!
  }

  isFull(bytes: number): boolean {
    return this.#lanes[0]!.exporter.isFull(bytes)
  }

  /** Waiting may save spans that would be dropped. */
  get working(): boolean {
    return this.#lanes.some(({ exporter }) => exporter.working)
  }

  get counts(): LaneCounts[] {
    return this.#lanes.map(({ counts }) => counts)
  }

  /** A call to one of those that are up. Receivers of a fleet pass on what they are told. */
  openStream(path: string, handlers: StreamHandlers): OpenStream {
    const lane = this.#lanes.find(({ up }) => up) ?? this.#lanes[0]!
    return lane.exporter.openStream(path, handlers)
  }

  flush(): void {
    for (const lane of this.#lanes) lane.flush()
  }

  /** All spans gone, or `deadlineMs` over: what is left is dropped as `shutdown`. */
  async close(deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs
    const lanes = [...this.#lanes, ...this.#leaving]
    for (const { exporter } of lanes) exporter.resume()
    while (lanes.some(({ exporter }) => !exporter.idle) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(CLOSE_POLL_MS, deadlineMs)))
      this.flush()
    }
    this.#closing = true
    clearInterval(this.#timer)
    this.#members?.close()
    await Promise.all(lanes.map(({ exporter }) => exporter.close(0)))
  }

  /** The receivers are these from now on. */
  #list(members: readonly Member[]): void {
    const before = this.#lanes
    this.#order = new Rendezvous(members.map(({ name }) => name))
    const byName = new Map(members.map((member) => [member.name, member]))
    this.#lanes = this.#order.names.map(
      (name) => before.find((lane) => lane.member.name === name) ?? this.#open(byName.get(name)!, members.length),
    )
    const gone = before.filter((lane) => !this.#lanes.includes(lane))
    for (const lane of gone) lane.listed = false
    this.#leaving.push(...gone)
    this.#assign()
    for (const lane of gone) this.#move(lane)
    if (before.length > 0) this.#options.warn('the receivers of spans changed', { receivers: this.#order.names.join() })
  }

  #open(member: Member, of: number): Lane {
    const { target, batchSpans, resource, endpoints } = this.#options
    const share = of === 1 ? batchSpans : Math.max(LEAST_BATCH, Math.ceil((batchSpans * 2) / of))
    const address = endpoints === undefined ? undefined : joined(member.host, member.port)
    const endpoint = endpoints?.find((one) => hostOf(new URL(one)).host === member.serverName) ?? target.endpoint
    return new Lane({
      ...this.#options,
      ...{ member, budget: this.#budget, secondChance: this.several },
      builder: new BatchBuilder(resource, target.version, Math.min(batchSpans, share), this.several || of > 1),
      openChannel: () => new OtlpChannel({ ...target, endpoint, address }, this.several ? RECONNECT_MS : undefined),
      onTrouble: (lane, wasUp) => this.#onTrouble(lane, wasUp),
      onReturn: () => this.#onReturn(),
    })
  }

  #assign(): void {
    const { length } = this.#lanes
    for (let slot = 0; slot < SLOTS; slot++) {
      let rank = 0
      while (rank < length && !this.#lanes[this.#order.at(slot, rank)]!.up) rank++
      // With none up the owner's own queue waits for it.
      this.#taker[slot] = this.#order.at(slot, rank === length ? 0 : rank)
    }
  }

  #look(): void {
    for (const lane of this.#lanes) lane.look()
    for (const lane of this.#leaving) if (lane.exporter.idle) void lane.exporter.close(0)
    this.#leaving = this.#leaving.filter(({ exporter }) => !exporter.idle)
  }

  #onTrouble(lane: Lane, wasUp: boolean): void {
    if (!this.several || this.#closing) return
    this.#assign()
    if (!this.#lanes.some(({ up }) => up)) return
    // A connection on which nothing is answered looks well; a new one tells whether the receiver is back.
    if (wasUp) lane.exporter.recreate('its spans go to others until it is back')
    this.#move(lane)
  }

  /** Others may have waited for anyone to come back. */
  #onReturn(): void {
    this.#assign()
    for (const lane of this.#lanes) if (!lane.up) this.#move(lane)
  }

  /** Everything that waits at a lane goes to those that take its traces now. */
  #move(from: Lane): void {
    for (const { batch, queuedAt } of from.empty()) {
      const touched = this.#divide(from, batch)
      for (const lane of touched) if (lane.builder.spans > 0) lane.exporter.add(lane.builder.take(), queuedAt)
      from.moved += batch.spans
      from.recycle(batch)
    }
  }

  #divide(from: Lane, batch: Batch): Set<Lane> {
    const touched = new Set<Lane>()
    const { start, ends, slots, spans } = batch.marks!
    let at = start
    for (let i = 0; i < ends.length; i++) {
      const end = start + ends[i]!
      const lane = this.lane(slots[i]!)
      if (lane === from) throw new Error('spans would move to where they are')
      touched.add(lane)
      if (lane.builder.copy(batch.bytes.subarray(at, end), spans[i]!, slots[i]!)) lane.flush()
      at = end
    }
    return touched
  }
}

function hostOf(url: URL): NamedHost {
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 4317 : Number(url.port) }
}
