/**
 * What processes that share a folder say to the one that owns it, over a socket in the folder:
 *
 *     frame: length u32 of what follows, little endian | body
 *     hello: JSON, first in both directions; a process that does not fit is told so by it
 *     call:  [number, operation, arguments…], an answer [number, true, value] or [number, false, fault, message],
 *            in V8's form
 *
 * Both sides are processes of one user, in a folder that is nobody else's. Bytes that are no frame end the connection.
 */
import { deserialize, serialize } from 'node:v8'
import type { IdempotencyStore, Soon } from '../../exchange/idempotency-store.ts'
import { asStoreError, StoreError, type StoreFault } from '../store-error.ts'

const VERSION = 1
/** Longer than any record: a response's body has a cap of its own, far below. */
const MOST_BYTES = 80 * 1024 * 1024
const LENGTH_BYTES = 4

type Operation = Exclude<keyof IdempotencyStore, 'name' | 'close'>
/** An operation of the port and its arguments. */
export type Call = { [O in Operation]: readonly [O, ...Parameters<IdempotencyStore[O]>] }[Operation]

/** Throws what the store throws; an operation that there is not is a StoreError. */
export function perform(store: IdempotencyStore, call: Call): Soon<unknown> {
  switch (call[0]) {
    case 'claim':
      return store.claim(call[1])
    case 'dispatch':
      return store.dispatch(call[1], call[2], call[3])
    case 'renew':
      return store.renew(call[1], call[2], call[3])
    case 'complete':
      return store.complete(call[1], call[2], call[3])
    case 'markUnknown':
      return store.markUnknown(call[1], call[2])
    case 'release':
      return store.release(call[1])
    case 'read':
      return store.read(call[1])
    case 'changed':
      return store.changed(call[1], call[2])
    case 'counts':
      return store.counts()
    default:
      throw new StoreError('down', `no such operation: ${String(call[0])}`)
  }
}

function frameOf(body: Buffer): Buffer {
  if (body.length > MOST_BYTES) throw new StoreError('full', `${body.length} bytes are too many for one call`)
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + body.length)
  frame.writeUInt32LE(body.length)
  body.copy(frame, LENGTH_BYTES)
  return frame
}

export function encodeCall(number: number, call: Call): Buffer {
  return frameOf(serialize([number, ...call]))
}

export function decodeCall(body: Buffer): { readonly number: number; readonly call: Call } {
  const [number, ...call] = deserialize(body) as [number, ...Call]
  return { number, call }
}

export function encodeValue(number: number, value: unknown): Buffer {
  return frameOf(serialize([number, true, value]))
}

export function encodeFailure(number: number, error: unknown): Buffer {
  const { fault, message } = asStoreError(error, 'the process that writes')
  return frameOf(serialize([number, false, fault, message]))
}

/** An answer; `value` is a StoreError where `ok` is false. */
export interface Answer {
  readonly number: number
  readonly ok: boolean
  readonly value: unknown
}

export function decodeAnswer(body: Buffer): Answer {
  const [number, ok, value, message] = deserialize(body) as [number, boolean, unknown, string]
  return { number, ok, value: ok ? value : new StoreError(value as StoreFault, message) }
}

/** What both sides have to agree on. */
export interface Hello {
  /** Whether the owner brings to the disk what it tells as written. */
  readonly sync: boolean
}

export function encodeHello({ sync }: Hello): Buffer {
  return frameOf(Buffer.from(JSON.stringify({ version: VERSION, v8: v8Version(), sync })))
}

/** Undefined: it fits; else why not. */
export function misfit(body: Buffer, { sync }: Hello): string | undefined {
  const hello = parse(body)
  if (hello?.version !== VERSION || hello.v8 !== v8Version())
    return 'the process that has it is of another version of hopscope or of Node.js'
  if (hello.sync !== sync) return `the process that has it was told sync=${String(hello.sync)}`
  return undefined
}

function parse(
  body: Buffer,
): { readonly version?: unknown; readonly v8?: unknown; readonly sync?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const v8Version = (): string => process.versions.v8.split('.', 2).join('.')

/** Bodies of frames out of bytes as they come. */
export class FrameReader {
  #held: Buffer[] = []
  #heldBytes = 0

  /** Throws a RangeError where a length cannot be. */
  read(chunk: Buffer, onBody: (body: Buffer) => void): void {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    while (this.#heldBytes >= LENGTH_BYTES) {
      const length = this.#length()
      if (length > MOST_BYTES) throw new RangeError(`a frame of ${length} bytes`)
      if (this.#heldBytes < LENGTH_BYTES + length) return
      const bytes = this.#joined()
      this.#heldBytes -= LENGTH_BYTES + length
      this.#held = this.#heldBytes === 0 ? [] : [bytes.subarray(LENGTH_BYTES + length)]
      onBody(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
    }
  }

  #length(): number {
    const [first] = this.#held
    return (first!.length >= LENGTH_BYTES ? first! : this.#joined()).readUInt32LE()
  }

  #joined(): Buffer {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes)
    this.#held = [bytes]
    return bytes
  }
}
