/** What the peer said in its SETTINGS (RFC 9113 §6.5.2), and what holds before it did. */
import * as h2 from './frames.ts'

/** Settings in one frame: there are eight that mean something, and each may cost a look at all streams. */
const IN_ONE_FRAME = 64

export class PeerSettings {
  initialWindow = h2.DEFAULT_WINDOW
  maxStreams = Number.POSITIVE_INFINITY
  connectProtocol = false
  /** The first frame was seen as a whole. */
  seen = false
  #inFrame = 0

  /** One setting. False: the frame has far too many. */
  take(id: number, value: number): boolean {
    if (id === h2.SETTINGS_MAX_CONCURRENT_STREAMS) this.maxStreams = value
    else if (id === h2.SETTINGS_ENABLE_CONNECT_PROTOCOL) this.connectProtocol = value === 1
    else if (id === h2.SETTINGS_INITIAL_WINDOW_SIZE) this.initialWindow = value
    return ++this.#inFrame <= IN_ONE_FRAME
  }

  /** The frame is over. */
  end(): void {
    this.#inFrame = 0
    this.seen = true
  }
}
