/** A reader of both directions of one opaque connection that pairs requests with replies. */
export interface ProtocolPairs {
  /** Look at bytes of one side that came at `now` (microseconds). False: in doubt, it wants no more. */
  feed(fromClient: boolean, buf: Buffer, start: number, end: number, now: number): boolean
  /** The connection is over: what waits for a reply will get none. */
  finish(now: number): void
  /** Requests given up for newer ones, and replies to nothing that was seen. */
  readonly unpaired: number
  /** How the protocol itself was ended, `server: session_taken_over`; '' where it was not. */
  readonly closing: string
}
