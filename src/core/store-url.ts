/**
 * Where records are kept, as one text:
 *
 *     memory[?maxBytes=64MiB]
 *     file:DIR[?sync=true&maxBytes=1GiB]
 *     redis://…[?prefix=hopscope:&wait=1&waitMs=30&connectTimeoutMs=2000]     (see redis-url.ts)
 */
import { parseRedisUrl, type RedisTarget } from './redis-url.ts'

export type StoreTarget =
  | { readonly kind: 'memory'; readonly maxBytes: number }
  | { readonly kind: 'file'; readonly folder: string; readonly sync: boolean; readonly maxBytes: number }
  | {
      readonly kind: 'redis'
      readonly target: RedisTarget
      readonly prefix: string
      readonly waitReplicas: number
      readonly waitMs: number
      readonly connectTimeoutMs: number
    }

const MIB = 1024 * 1024
const DEFAULT_MEMORY_BYTES = 64 * MIB
const DEFAULT_FILE_BYTES = 1024 * MIB
/** Less would not hold one response of the default cap. */
const LEAST_MEMORY_BYTES = 2 * MIB
const LEAST_FILE_BYTES = 4 * MIB
const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: MIB, GiB: 1024 * MIB }

/** Throws a TypeError that says what is wrong, without passwords. */
export function parseStoreUrl(url: string): StoreTarget {
  if (/^rediss?[-+:]/.test(url)) return redisTarget(url)
  const [, place = '', query = ''] = /^([^?]*)(?:\?(.*))?$/s.exec(url) ?? []
  const settings = new Settings(new URLSearchParams(query))
  const target = place === 'memory' ? memoryTarget(settings) : fileTarget(place, settings)
  settings.assertAllRead()
  return target
}

function memoryTarget(settings: Settings): StoreTarget {
  return { kind: 'memory', maxBytes: settings.bytes('maxBytes', DEFAULT_MEMORY_BYTES, LEAST_MEMORY_BYTES) }
}

function fileTarget(place: string, settings: Settings): StoreTarget {
  if (!place.startsWith('file:')) throw new TypeError('not one of memory, file:DIR, redis://…')
  const folder = decodeURIComponent(place.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))
  if (folder === '') throw new TypeError('file: without a folder')
  return {
    kind: 'file',
    folder,
    sync: settings.flag('sync'),
    maxBytes: settings.bytes('maxBytes', DEFAULT_FILE_BYTES, LEAST_FILE_BYTES),
  }
}

function redisTarget(url: string): StoreTarget {
  const target = parseRedisUrl(url)
  const settings = new Settings(target.query)
  const found: StoreTarget = {
    kind: 'redis',
    target,
    prefix: settings.text('prefix', 'hopscope:idempotency:'),
    waitReplicas: settings.number('wait', 0, 0, 16),
    waitMs: settings.number('waitMs', 30, 1, 10_000),
    connectTimeoutMs: settings.number('connectTimeoutMs', 2000, 10, 60_000),
  }
  settings.text('sentinelPassword', '')
  settings.assertAllRead()
  return found
}

/** The query of a store's URL: every setting is read once, and none may be left over. */
class Settings {
  readonly #query: URLSearchParams
  readonly #read = new Set<string>()

  constructor(query: URLSearchParams) {
    this.#query = query
  }

  text(name: string, otherwise: string): string {
    this.#read.add(name)
    return this.#query.get(name) ?? otherwise
  }

  flag(name: string): boolean {
    const value = this.text(name, 'false')
    if (value !== 'true' && value !== 'false') throw new TypeError(`${name} is true or false`)
    return value === 'true'
  }

  number(name: string, otherwise: number, least: number, most: number): number {
    const text = this.text(name, String(otherwise))
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most)) throw new TypeError(`${name} is a number from ${least} to ${most}`)
    return value
  }

  bytes(name: string, otherwise: number, least: number): number {
    const match = /^(\d+)(KiB|MiB|GiB|)$/.exec(this.text(name, String(otherwise)))
    const value = match === null ? Number.NaN : Number(match[1]) * UNITS[match[2]!]!
    if (!(value >= least)) throw new TypeError(`${name} is a size such as 64MiB, at least ${least} bytes`)
    return value
  }

  assertAllRead(): void {
    for (const name of this.#query.keys()) {
      if (!this.#read.has(name)) throw new TypeError(`unknown setting ${name}; known: ${[...this.#read].join(', ')}`)
    }
  }
}
