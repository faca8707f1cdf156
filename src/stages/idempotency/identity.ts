/** What makes two requests the same: the id of their record, and the fingerprint that is held against the first one's. */
import { createHash, type Hash, hash } from 'node:crypto'
import { knownId } from '../../core/known-names.ts'
import { writeLatin1 } from '../../core/latin1.ts'
import type { RequestHead } from '../../core/message.ts'

const CONTENT_TYPE = knownId('content-type')
const CONTENT_ENCODING = knownId('content-encoding')

/**
 * The record of a key: method, host, path with query, principal and key, hashed. None of them can hold a NUL, so that
 * no two lists of them give one text. The text leads with a version: another list makes other ids.
 */
export function recordId(request: RequestHead, principal: string, key: string): string {
  const host = request.host.toLowerCase()
  return hash('sha256', `1\0${request.method}\0${host}\0${request.path}\0${principal}\0${key}`, 'base64url')
}

/** What beside its body a repeat must have in common. Trace, date and agent headers differ and mean nothing. */
function preamble(request: RequestHead): string {
  const type = request.headers.joined(CONTENT_TYPE, ',')
  const encoding = request.headers.joined(CONTENT_ENCODING, ',')
  return `1\0${request.method}\0${request.path}\0${type}\0${encoding}\0`
}

/** The fingerprint of a request, made while its body is read. */
export class Fingerprint {
  readonly #hash: Hash
  bytes = 0
  #markAt = -1
  /** Of the bytes up to the mark; '' while they are not all here, or nobody asked. */
  marked = ''

  constructor(request: RequestHead) {
    this.#hash = createHash('sha256').update(preamble(request), 'latin1')
  }

  update(chunk: Buffer): void {
    const first = Math.min(chunk.length, Math.max(0, this.#markAt - this.bytes))
    this.#take(chunk.subarray(0, first))
    this.#take(chunk.subarray(first))
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length
    this.#hash.update(chunk)
    if (this.bytes === this.#markAt && this.marked === '') this.marked = this.begun()
  }

  /** What was read so far, for a request that was answered before its end: see {@link bytesBegun}. */
  begun(): string {
    return `${this.bytes}:${this.#hash.copy().digest('base64url')}`
  }

  /** Remember what the first `bytes` are, as {@link begun} has it. False: they were passed already. */
  mark(bytes: number): boolean {
    if (this.bytes > bytes) return false
    this.#markAt = bytes
    this.#take(NOTHING)
    return true
  }

  /** To be called once. */
  digest(): string {
    return this.#hash.digest('base64url')
  }
}

const NOTHING = Buffer.alloc(0)

/** How many bytes a fingerprint stands for that is only of the beginning of a request; -1 for one of a whole request. */
export function bytesBegun(fingerprint: string): number {
  const colon = fingerprint.indexOf(':')
  return colon < 0 ? -1 : Number(fingerprint.slice(0, colon))
}

/** The fingerprint of the first `bytes` of a body that is here as a whole, '' where it is shorter. */
export function beginningOf(request: RequestHead, body: readonly Buffer[], bytes: number): string {
  const fingerprint = new Fingerprint(request)
  fingerprint.mark(bytes)
  for (const piece of body) fingerprint.update(piece)
  return fingerprint.marked
}

/** Where a small request is put together, to be hashed in one piece. */
const together = Buffer.allocUnsafeSlow(16 * 1024)

/** The same of a body that is here as a whole. */
export function fingerprintOf(request: RequestHead, body: readonly Buffer[]): string {
  const before = preamble(request)
  let length = before.length
  for (const piece of body) length += piece.length
  const bytes = length <= together.length ? together : Buffer.allocUnsafeSlow(length)
  writeLatin1(bytes, before, 0)
  let at = before.length
  for (const piece of body) {
    bytes.set(piece, at)
    at += piece.length
  }
  return hash('sha256', bytes.subarray(0, length), 'base64url')
}
