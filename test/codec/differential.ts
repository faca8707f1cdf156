/**
 * Our readers against llhttp, and against themselves with the same bytes in other pieces. What counts as a
 * disagreement: we accept a message, or a part of a body, that llhttp in strict mode refuses; or we see another
 * message, body or end than it does. That we refuse what it takes is our intent, and is counted by reason.
 */
import { Random, requestStream, responseStream } from './generator.ts'
import { Llhttp } from './llhttp.ts'
import { MARK, RequestTranscriber, ResponseTranscriber, STAND_IN } from './transcript.ts'

/** Longer streams are split at a sample of their offsets. */
const MAX_SPLITS = 400

export interface Report {
  cases: number
  /** Streams that both read alike to the end. */
  agreed: number
  /** Both refused. */
  bothRefused: number
  /** Runs of our readers on split streams. */
  splits: number
  /** How often we refused what llhttp took, by our reason. */
  readonly stricter: Map<string, number>
  /** Never to be: a line each, with the bytes. */
  readonly faults: string[]
}

const MAX_FAULTS = 20

export function emptyReport(): Report {
  return { cases: 0, agreed: 0, bothRefused: 0, splits: 0, stricter: new Map(), faults: [] }
}

type Ours = RequestTranscriber | ResponseTranscriber

/** One direction of the wire. */
export class Differential {
  readonly #ours: Ours
  readonly #theirs: Llhttp
  readonly #report: Report

  constructor(direction: 'request' | 'response', report: Report) {
    this.#ours = direction === 'request' ? new RequestTranscriber() : new ResponseTranscriber()
    this.#theirs = new Llhttp(direction)
    this.#report = report
  }

  /** Run the case of this seed. */
  run(seed: number): void {
    const random = new Random(seed)
    const ours = this.#ours
    let bytes: Buffer
    if (ours instanceof ResponseTranscriber) {
      ours.requestMethod = random.chance(10) ? 'HEAD' : 'GET'
      this.#theirs.toHead = ours.requestMethod === 'HEAD'
      bytes = responseStream(random)
    } else {
      bytes = requestStream(random)
    }
    this.#report.cases++
    this.compare(bytes, seed)
  }

  /** `seed` only names the case. */
  compare(bytes: Buffer, seed: number): void {
    const ours = this.#ours
    ours.run([bytes])
    const whole = { text: ours.text, end: ours.end, code: ours.code, messages: ours.messages }
    this.#compareWithOracle(bytes, seed)
    this.#compareSplits(bytes, seed, whole)
  }

  #compareWithOracle(bytes: Buffer, seed: number): void {
    const ours = this.#ours
    const theirs = this.#theirs.run(ours instanceof RequestTranscriber ? withKnownMethods(bytes, ours) : bytes)
    const { end } = ours
    const readOn = end === 'more' && ours.inBody
    // At a head that is not complete nothing was accepted; whoever is first to see a fault in it does not matter.
    const comparable = readOn ? ours.text : completeIn(ours.text)
    if (theirs.messages < ours.messages || !theirs.text.startsWith(comparable)) {
      this.#fault(
        seed,
        bytes,
        `we read ${shown(ours.text)} ${end}, llhttp ${shown(theirs.text)} ${theirs.code} ${theirs.reason}`,
      )
    } else if (end === 'refused') {
      if (theirs.code !== '') this.#report.bothRefused++
      else this.#countStricter()
    } else if (theirs.code !== '' && readOn && !inTrailers(theirs.reason)) {
      this.#fault(seed, bytes, `we read on in ${shown(ours.text)}, llhttp says ${theirs.code} ${theirs.reason}`)
    } else if (end !== 'stopped' && theirs.code === '' && theirs.text !== comparable) {
      this.#fault(seed, bytes, `we stop at ${shown(ours.text)} ${end}, llhttp reads ${shown(theirs.text)}`)
    } else if (end === 'done' && theirs.code !== '') {
      this.#fault(seed, bytes, `we are done with ${shown(ours.text)}, llhttp says ${theirs.code} ${theirs.reason}`)
    } else {
      this.#report.agreed++
    }
  }

  #countStricter(): void {
    const reason = `${this.#ours.code}: ${this.#ours.detail.replace(/byte 0x../, 'byte')}`
    this.#report.stricter.set(reason, (this.#report.stricter.get(reason) ?? 0) + 1)
  }

  #compareSplits(
    bytes: Buffer,
    seed: number,
    whole: { text: string; end: string; code: string; messages: number },
  ): void {
    const step = Math.max(1, Math.floor(bytes.length / MAX_SPLITS))
    for (let at = 1; at < bytes.length; at += step) {
      if (!this.#sameIn([bytes.subarray(0, at), bytes.subarray(at)], whole)) {
        this.#fault(
          seed,
          bytes,
          `split at ${at} reads ${shown(this.#ours.text)} ${this.#ours.end} ${this.#ours.code}, whole ${shown(whole.text)} ${whole.end} ${whole.code}`,
        )
        return
      }
    }
    if (bytes.length > MAX_SPLITS) return
    const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
    if (!this.#sameIn(single, whole))
      this.#fault(seed, bytes, `byte by byte reads ${shown(this.#ours.text)} ${this.#ours.code}`)
  }

  #sameIn(pieces: readonly Buffer[], whole: { text: string; end: string; code: string; messages: number }): boolean {
    const ours = this.#ours.run(pieces)
    this.#report.splits++
    return (
      ours.text === whole.text && ours.end === whole.end && ours.code === whole.code && ours.messages === whole.messages
    )
  }

  #fault(seed: number, bytes: Buffer, what: string): void {
    if (this.#report.faults.length < MAX_FAULTS) {
      this.#report.faults.push(`seed ${seed}: ${what}; bytes ${shown(bytes.toString('latin1'))}`)
    }
  }
}

/** The text up to the last complete message. */
function completeIn(text: string): string {
  return text.slice(0, text.lastIndexOf(MARK.end) + 1)
}

/** A trailer section that is not complete: we look at its lines one by one as well, but keep them to ourselves. */
function inTrailers(reason: string): boolean {
  return /header|trailer|content-length|transfer-encoding/i.test(reason)
}

/** The stream with a method that llhttp knows in the place of each that it does not. */
function withKnownMethods(bytes: Buffer, ours: RequestTranscriber): Buffer {
  let out = bytes
  for (let i = ours.methods.length - 1; i >= 0; i--) {
    const method = ours.methods[i]!
    const start = ours.starts[i]!
    if (KNOWN.has(method)) continue
    out = Buffer.concat([out.subarray(0, start), Buffer.from(STAND_IN), out.subarray(start + method.length)])
  }
  return out
}

const KNOWN = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'CONNECT'])

const shown = (text: string): string => JSON.stringify(text.length > 600 ? `${text.slice(0, 600)}…` : text)
