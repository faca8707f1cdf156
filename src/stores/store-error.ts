/** What a store rejects with: nothing is known of the record then. */
export type StoreFault =
  /** No room: nothing was claimed. */
  | 'full'
  /** No answer within the time given; the operation may still take effect. */
  | 'timeout'
  /** Not reachable, not openable, or it answered with a failure. */
  | 'down'
  /** Closed by us. */
  | 'closed'

export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly fault: StoreFault

  constructor(fault: StoreFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.fault = fault
  }
}

/** A failure of a library as ours; one of ours stays what it is. */
export function asStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new StoreError('down', `${doing}: ${text}`, error)
}
