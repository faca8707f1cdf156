/** Frames as text, for tests of the frame reader; and raw frames to feed it. */
import { FrameReader } from '../../src/http/message/http2/frame-reader.ts'
import type { FrameLimits, FrameSink } from '../../src/http/message/http2/frame-sink.ts'
import { FRAME_HEADER, SETTINGS, writeFrameHeader } from '../../src/http/message/http2/frames.ts'

/** A frame with any header, right or wrong. */
export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload)
  const head = Buffer.alloc(FRAME_HEADER)
  writeFrameHeader(head, 0, bytes.length, type, flags, streamId)
  return Buffer.concat([head, bytes])
}

export const EMPTY_SETTINGS = frame(SETTINGS, 0, 0)

/** Writes down what it gets; pieces of a DATA frame are joined, so that the log is the same however the bytes came. */
export class FrameLog implements FrameSink {
  readonly lines: string[] = []
  /** Answered to every frame of this kind. */
  refuse: { readonly kind: string; readonly code: number } | undefined
  pieces = 0
  #data = ''
  #flowBytes = 0

  #note(kind: string, rest: string): number {
    this.lines.push(`${kind} ${rest}`)
    return this.refuse?.kind === kind ? this.refuse.code : 0
  }

  onData(stream: number, buf: Buffer, start: number, end: number, flow: number, whole: boolean, last: boolean): number {
    this.pieces++
    this.#data += buf.toString('latin1', start, end)
    this.#flowBytes += flow
    if (!whole) return last ? this.#note('data', 'ends before its frame') : 0
    const line = `${stream} ${JSON.stringify(this.#data)} flow=${this.#flowBytes}${last ? ' end' : ''}`
    this.#data = ''
    this.#flowBytes = 0
    return this.#note('data', line)
  }

  onHeaders(stream: number, last: boolean, buf: Buffer, start: number, end: number, continuations: number): number {
    const block = buf.toString('latin1', start, end)
    return this.#note('headers', `${stream} ${JSON.stringify(block)} +${continuations}${last ? ' end' : ''}`)
  }

  onSetting(id: number, value: number): number {
    return this.#note('setting', `${id}=${value}`)
  }

  onSettingsEnd(count: number): number {
    return this.#note('settings', `${count}`)
  }

  onSettingsAck(): number {
    return this.#note('settings', 'ack')
  }

  onPing(ack: boolean, buf: Buffer, start: number): number {
    return this.#note('ping', `${buf.toString('hex', start, start + 8)}${ack ? ' ack' : ''}`)
  }

  onWindowUpdate(stream: number, increment: number): number {
    return this.#note('window', `${stream} +${increment}`)
  }

  onRstStream(stream: number, code: number): number {
    return this.#note('rst', `${stream} ${code}`)
  }

  onGoaway(last: number, code: number, buf: Buffer, start: number, end: number): number {
    return this.#note('goaway', `${last} ${code} ${buf.toString('latin1', start, end)}`)
  }

  onPriority(stream: number): number {
    return this.#note('priority', `${stream}`)
  }

  onOther(type: number, stream: number): number {
    return this.#note('other', `${type} on ${stream}`)
  }
}

/** What a fresh reader makes of `pieces`: the log, and the code it ends with. */
export function readPieces(
  pieces: readonly Buffer[],
  limits: Partial<FrameLimits> = {},
  maxFrameBytes = 16_384,
): { readonly log: FrameLog; readonly code: number; readonly reader: FrameReader } {
  const log = new FrameLog()
  const reader = new FrameReader(maxFrameBytes, log, limits)
  let code = 0
  for (const piece of pieces) code = reader.read(piece, 0, piece.length)
  return { log, code, reader }
}
