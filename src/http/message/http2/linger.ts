/** The end of a connection whose last bytes should arrive. */
import type { Wire } from '../../../net/wire.ts'

const STEP_MS = 500

/**
 * FIN behind what was written, then the end: half a second after all of it was taken, or when the peer has taken none of
 * it for `patienceMs`. What still comes is read and thrown away, for an unread byte would turn the end into a reset that
 * destroys bytes on their way (RFC 9112 §9.6 tells why).
 */
export function linger(wire: Wire, patienceMs: number): void {
  wire.finish()
  let mark = wire.takenMark
  let stuckMs = 0
  const timer = setInterval(() => {
    const { closed, queuedBytes, takenMark } = wire
    stuckMs = takenMark === mark ? stuckMs + STEP_MS : 0
    mark = takenMark
    if (!closed && queuedBytes > 0 && stuckMs < patienceMs) return
    clearInterval(timer)
    wire.destroy()
  }, STEP_MS).unref()
}
