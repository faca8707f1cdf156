/** Frames of a gRPC unary call as one side reads them. */
import { FrameReader } from '../../src/http/message/http2/frame-reader.ts'
import type { FrameSink } from '../../src/http/message/http2/frame-sink.ts'
import * as h2 from '../../src/http/message/http2/frames.ts'
import type { MicroBench } from './harness.ts'

let seen = 0
const count = (): number => {
  seen++
  return 0
}
const sink: FrameSink = {
  onData: count,
  onHeaders: count,
  onSetting: count,
  onSettingsEnd: count,
  onSettingsAck: count,
  onPing: count,
  onWindowUpdate: count,
  onRstStream: count,
  onGoaway: count,
  onPriority: count,
  onOther: count,
}

const bytes = Buffer.alloc(4096)
const HEAD_BYTES = 60
const MESSAGE_BYTES = 32
let call = h2.writeFrameHeader(bytes, 0, HEAD_BYTES, h2.HEADERS, h2.END_HEADERS, 1) + HEAD_BYTES
call = h2.writeFrameHeader(bytes, call, MESSAGE_BYTES, h2.DATA, h2.END_STREAM, 1) + MESSAGE_BYTES
call = h2.windowUpdateFrame(bytes, call, 0, MESSAGE_BYTES)

const settings = Buffer.alloc(9)
h2.settingsFrame(settings, 0, [])
const reader = new FrameReader(h2.MIN_MAX_FRAME, sink)
reader.read(settings, 0, settings.length)

export const benches: readonly MicroBench[] = [
  {
    name: 'read HEADERS, DATA, WINDOW_UPDATE',
    run: () => {
      reader.read(bytes, 0, call)
      return seen
    },
  },
  {
    name: 'read them in two parts',
    run: () => {
      reader.read(bytes, 0, 30)
      reader.read(bytes, 30, call)
      return seen
    },
  },
  {
    name: 'write HEADERS and DATA heads',
    run: () => {
      h2.writeFrameHeader(bytes, 2048, HEAD_BYTES, h2.HEADERS, h2.END_HEADERS, 1)
      return h2.writeFrameHeader(bytes, 2120, MESSAGE_BYTES, h2.DATA, h2.END_STREAM, 1)
    },
  },
]
