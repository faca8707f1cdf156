/**
 * Connections with both ends here: what we dial and then accept ourselves goes in circles, as where the rules leave out
 * another user than the proxy's, or a name leads back. By its addresses it is found at once, whatever it carries.
 */
import type { Socket } from 'node:net'
import { canonicalIp } from '../core/ip-address.ts'

export class OwnConnections {
  /** Our ends of what we dialled, and the far ends of what we accepted, for as long as they are open. */
  readonly #dialled = new Set<string>()
  readonly #accepted = new Set<string>()

  /** A connection that we dialled stands. True: it came back to us. */
  dialled(socket: Socket): boolean {
    return meets(socket, socket.localAddress, socket.localPort, this.#dialled, this.#accepted)
  }

  /** A connection was accepted. True: we dialled it. */
  accepted(socket: Socket): boolean {
    return meets(socket, socket.remoteAddress, socket.remotePort, this.#accepted, this.#dialled)
  }
}

/** Which of the two is heard of first is not certain: each is kept for the other. */
function meets(
  socket: Socket,
  address: string | undefined,
  port: number | undefined,
  these: Set<string>,
  those: ReadonlySet<string>,
): boolean {
  // Closed already.
  if (address === undefined || port === undefined) return false
  const end = `${address.includes('%') ? address : canonicalIp(address)} ${port}`
  these.add(end)
  socket.once('close', () => these.delete(end))
  return those.has(end)
}
