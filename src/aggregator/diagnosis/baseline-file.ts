/**
 * What is usual, on disk: written anew and put in place at once, so that a crash leaves the one before. A file that cannot
 * be read is as none: it is learnt again. Numbers of names are those of the names file beside it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Incident } from './incidents.ts'
import { KEPT_MEDIANS, KEPT_SKETCHES, type Learnt, type Signature } from './signature.ts'
import type { PlaceKind, Signatures } from './signatures.ts'

/** Changes with the layout. */
const MAGIC = 0x31425348
const HEADER = 24
const MEDIANS = KEPT_MEDIANS.to - KEPT_MEDIANS.from
const LEARNT = [
  ...(['calls', 'failed', 'lost', 'unseen', 'resentRate', 'epochs', 'rate', 'drift'] as const),
] as const satisfies readonly (keyof Learnt)[]
const RECORD = 16 + 8 + LEARNT.length * 8 + MEDIANS * 4 + KEPT_SKETCHES * 2

const BASELINES = 'baselines.bin'
const INCIDENTS = 'incidents.json'

export interface Kept {
  readonly signatures: Signatures
  /** All requests that came in. */
  readonly roots: Signature
  /** Milliseconds since the epoch at second 0 of the signatures. */
  readonly originMs: number
}

/** Throws where the folder cannot be written. */
export function writeBaselines(
  folder: string,
  { signatures, roots, originMs }: Kept,
  incidents: readonly Incident[],
): void {
  const bytes = Buffer.alloc(HEADER + (signatures.size + 1) * RECORD)
  let at = HEADER
  at = writeOne(bytes, at, [0, 0, 0, 0], roots, originMs)
  for (const { kind, service, other, callee, signature } of signatures) {
    at = writeOne(bytes, at, [kind, service, other, callee], signature, originMs)
  }
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(RECORD, 4)
  bytes.writeUInt32LE(signatures.size + 1, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(HEADER)), 12)
  replace(join(folder, BASELINES), bytes)
  replace(join(folder, INCIDENTS), Buffer.from(JSON.stringify(incidents)))
}

function writeOne(bytes: Buffer, from: number, place: readonly number[], of: Signature, originMs: number): number {
  let at = from
  for (const number of place) at = bytes.writeUInt32LE(number, at)
  at = bytes.writeDoubleLE(originMs + of.lastS * 1000, at)
  for (const name of LEARNT) at = bytes.writeDoubleLE(of.learnt[name], at)
  for (let i = 0; i < MEDIANS; i++) at = bytes.writeFloatLE(of.f32[KEPT_MEDIANS.from + i]!, at)
  for (let i = 0; i < KEPT_SKETCHES; i++) at = bytes.writeUInt16LE(of.u16[i]!, at)
  return at
}

/** Fills what is empty. False where there is no file that can be read. */
export function readBaselines(folder: string, { signatures, roots, originMs }: Kept): boolean {
  const bytes = readOr(join(folder, BASELINES))
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== RECORD) return false
  const count = bytes.readUInt32LE(8)
  if (bytes.length !== HEADER + count * RECORD || crc32(bytes.subarray(HEADER)) !== bytes.readUInt32LE(12)) return false
  for (let i = 0; i < count; i++) {
    const at = HEADER + i * RECORD
    const [kind, service, other, callee] = [0, 4, 8, 12].map((offset) => bytes.readUInt32LE(at + offset))
    if (i === 0) {
      readOne(bytes, at + 16, roots, originMs)
      continue
    }
    const entry = signatures.at(kind as PlaceKind, service!, other!)
    if (entry === undefined) break
    entry.callee = callee!
    readOne(bytes, at + 16, entry.signature, originMs)
  }
  return true
}

function readOne(bytes: Buffer, from: number, into: Signature, originMs: number): void {
  into.lastS = (bytes.readDoubleLE(from) - originMs) / 1000
  let at = from + 8
  for (const name of LEARNT) {
    into.learnt[name] = bytes.readDoubleLE(at)
    at += 8
  }
  for (let i = 0; i < MEDIANS; i++) into.f32[KEPT_MEDIANS.from + i] = bytes.readFloatLE(at + i * 4)
  at += MEDIANS * 4
  for (let i = 0; i < KEPT_SKETCHES; i++) into.u16[i] = bytes.readUInt16LE(at + i * 2)
}

/** Of an earlier run; none where they cannot be read. */
export function readIncidents(folder: string): Incident[] {
  try {
    const read: unknown = JSON.parse(readOr(join(folder, INCIDENTS)).toString('utf8'))
    return Array.isArray(read) ? (read as Incident[]).toReversed() : []
  } catch {
    return []
  }
}

function readOr(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}

function replace(path: string, bytes: Buffer): void {
  const beside = `${path}.new`
  writeFileSync(beside, bytes, { mode: 0o600 })
  const fd = openSync(beside, 'r')
  fsyncSync(fd)
  closeSync(fd)
  renameSync(beside, path)
}
