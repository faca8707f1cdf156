/** The interface of a stage: a step that looks at, or answers, an exchange. */
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from './exchange.ts'

/** Go on to the next stage. */
export const CONTINUE = 0 as const
/** The stage has set `exchange.answer`: nothing goes upstream. */
export const ANSWERED = 1 as const
export type Verdict = typeof CONTINUE | typeof ANSWERED

/**
 * Hooks return `undefined`, not `void`, so that an async function in the place of a chunk hook does not compile:
 * the driver waits in two places only, the request head and the response end.
 */
export interface Stage {
  readonly name: string
  /** An observer's throw is counted and logged and never fails traffic; a decider's throw fails the exchange. */
  readonly role: 'decide' | 'observe'
  onRequestHead?(x: Exchange): Verdict | Promise<Verdict>
  onRequestData?(x: Exchange, chunk: Buffer): undefined
  onResponseHead?(x: Exchange, head: ResponseHead): undefined
  onResponseData?(x: Exchange, chunk: Buffer): undefined
  /** All of the response was read and its last byte is not sent yet; may wait, as a store commit must. */
  onResponseEnd?(x: Exchange): undefined | Promise<undefined>
  /** Exactly once, on every outcome, in reverse order of the stack. */
  onFinish?(x: Exchange): undefined
}
