/** Bounds of the client's side. */
import type { BodyLimits } from './message/body-reader.ts'

export interface ServerLimits extends BodyLimits {
  /** Bytes of a connection that may wait unread here before reading stops. */
  readonly connectionBufferBytes: number
}
