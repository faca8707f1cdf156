/**
 * Keys that are being asked for or run right now, in this process. However many requests wait for one key, they share one
 * flight: one claim, and one subscription where another process runs it.
 */
import type { ProxyError } from '../../core/errors.ts'
import { PassingMap } from '../../core/passing-map.ts'
import type { IdempotencyRecord, IdempotencyStore } from '../../exchange/idempotency-store.ts'

/** How a flight ended. */
export type Landing =
  /** Something final is known. */
  | { readonly kind: 'record'; readonly record: IdempotencyRecord }
  /** Nothing ran, by a failure that the others would meet as well. */
  | { readonly kind: 'failed'; readonly error: ProxyError }
  /** Nothing ran and the key is free: another one may. */
  | { readonly kind: 'free' }
  /** The store could not be asked. `runs`: another process is known to be at it, which must not be done twice at once. */
  | { readonly kind: 'lost'; readonly error: unknown; readonly runs: boolean }

/** A request that waits. */
export interface Passenger {
  /** It has its body and could run in place of the first. */
  readonly mayLead: boolean
  /** The fingerprint of the one that runs became known. */
  onFingerprint(fingerprint: string): void
  onLanded(landing: Landing): void
}

export class Flight {
  readonly id: string
  /** Of the request that runs, '' until known. */
  fingerprint: string
  /** Made when somebody waits: most keys come once. */
  passengers: Set<Passenger> | undefined = undefined
  /** Another process runs it. */
  watched = false
  landed = false

  constructor(id: string, fingerprint: string) {
    this.id = id
    this.fingerprint = fingerprint
  }

  learn(fingerprint: string): void {
    if (fingerprint === '' || this.fingerprint !== '') return
    this.fingerprint = fingerprint
    for (const passenger of [...(this.passengers ?? [])]) passenger.onFingerprint(fingerprint)
  }
}

/** Longest sleep until the store is asked again, in case a change was missed. */
const LOOK_MS = 1000

export class Flights {
  readonly #flights = new PassingMap<Flight>()
  readonly #store: IdempotencyStore

  constructor(store: IdempotencyStore) {
    this.#store = store
  }

  /** Keys in the air, and requests that wait for one. */
  counts(): { readonly flights: number; readonly waiting: number } {
    let waiting = 0
    for (const flight of this.#flights.values()) waiting += flight.passengers?.size ?? 0
    return { flights: this.#flights.size, waiting }
  }

  get(id: string): Flight | undefined {
    return this.#flights.get(id)
  }

  /** Begin a flight; there is none of this id. */
  open(id: string, fingerprint: string): Flight {
    const flight = new Flight(id, fingerprint)
    this.#flights.set(id, flight)
    return flight
  }

  /** The flight is over: all passengers learn how. Those that could run come first. */
  land(flight: Flight, landing: Landing): void {
    if (flight.landed) return
    flight.landed = true
    this.#flights.delete(flight.id)
    if (flight.passengers === undefined) return
    const passengers = [...flight.passengers]
    flight.passengers = undefined
    for (const passenger of passengers) if (passenger.mayLead) passenger.onLanded(landing)
    for (const passenger of passengers) if (!passenger.mayLead) passenger.onLanded(landing)
  }

  /** One waits no longer. What nobody waits for is not watched any more: the next one asks the store anew. */
  leave(flight: Flight, passenger: Passenger): void {
    flight.passengers?.delete(passenger)
    if (flight.watched && !flight.passengers?.size) this.land(flight, { kind: 'free' })
  }

  /** Another process runs it: follow its record until the end, or until nobody waits any more. */
  async watch(flight: Flight): Promise<void> {
    flight.watched = true
    if (!flight.passengers?.size) this.land(flight, { kind: 'free' })
    while (!flight.landed) {
      await this.#store.changed(flight.id, LOOK_MS)
      if (flight.landed) return
      try {
        this.#look(flight, await this.#store.read(flight.id))
      } catch (error) {
        this.land(flight, { kind: 'lost', error, runs: true })
      }
    }
  }

  #look(flight: Flight, record: IdempotencyRecord | undefined): void {
    if (record === undefined) this.land(flight, { kind: 'free' })
    else if (isInFlight(record)) flight.learn(record.fingerprint)
    else this.land(flight, { kind: 'record', record })
  }
}

export function isInFlight({ state }: IdempotencyRecord): boolean {
  return state === 'claimed' || state === 'dispatched'
}
