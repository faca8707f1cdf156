/** The interface of a stage: a step that looks at, or answers, an exchange; and of a guard, which follows one exchange. */
import type { ProxyError } from '../core/errors.ts'
import type { HeaderBlock } from '../core/headers.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from './exchange.ts'

/** Go on to the next stage. */
export const CONTINUE = 0 as const
/** The stage has set `exchange.answer`: nothing goes upstream. */
export const ANSWERED = 1 as const
/**
 * Request head only: the stage has put a guard on the exchange and decides when the body is here as a whole, by
 * {@link Guard.onGathered}. For bodies of known length up to {@link GATHER_BYTES}; later stages and the upstream wait.
 */
export const GATHER = 2 as const
export type Verdict = typeof CONTINUE | typeof ANSWERED | typeof GATHER

/** Largest request body that is gathered or kept for a replay, bytes. */
export const GATHER_BYTES = 64 * 1024

/**
 * Hooks return `undefined`, not `void`, so that an async function in the place of a chunk hook does not compile:
 * the driver waits at the request head and at the response end only, and before the dispatch where there is a guard.
 */
export interface Stage {
  readonly name: string
  /** An observer's throw is counted and logged and never fails traffic; a decider's throw fails the exchange. */
  readonly role: 'decide' | 'observe'
  onRequestHead?(x: Exchange): Verdict | Promise<Verdict>
  /** In its place where the head is refused: `x.request` has what could be read of it, perhaps nothing. The answer follows. */
  onRefusedHead?(x: Exchange): undefined
  onRequestData?(x: Exchange, chunk: Buffer): undefined
  onResponseHead?(x: Exchange, head: ResponseHead): undefined
  onResponseData?(x: Exchange, chunk: Buffer): undefined
  /**
   * All of the response was read and its end is not sent yet (the last bytes of a body with a length, the last chunk of
   * one without); may wait, as a store commit must.
   */
  onResponseEnd?(x: Exchange): undefined | Promise<undefined>
  /** Exactly once, on every outcome, in reverse order of the stack. */
  onFinish?(x: Exchange): undefined
}

/**
 * What a stage may put on one exchange (`x.guard`) at its request head, to follow that exchange to its end: it sees both
 * bodies, is asked before the first byte leaves for the upstream and before anything is sent again, and may make the end
 * of the response wait. Only exchanges with a guard pay for any of it. A guard that throws fails its exchange.
 */
export interface Guard {
  /** For logs, as {@link Stage.name}. */
  readonly name: string
  /**
   * Request bytes `buf[start, end)` as they are read, also those that go nowhere (`x.discardsRequest`); not those that are gathered. To
   * refuse, set `x.refusal`.
   */
  onRequestData(x: Exchange, buf: Buffer, start: number, end: number): undefined
  onRequestEnd(x: Exchange): undefined
  /** After GATHER: the request is here as a whole, its body in `x.replayBody`. May wait. */
  onGathered(x: Exchange): Verdict | Promise<Verdict>
  /**
   * A connection stands and no byte of this attempt has left. May wait, as a store must; ANSWERED means that nothing is
   * to be sent. Asked anew for each attempt.
   */
  onDispatch(x: Exchange): Verdict | Promise<Verdict>
  /** An attempt failed before any response: whether the request may be sent again. `x.reached` says what is known. */
  mayRepeat(x: Exchange, error: ProxyError): boolean
  /** The final head of the upstream, before any stage edits it. Not called for answers made here. */
  onResponseHead(x: Exchange, head: ResponseHead): undefined
  onResponseData(x: Exchange, buf: Buffer, start: number, end: number): undefined
  /** As {@link Stage.onResponseEnd}, after those of all stages. */
  onResponseEnd(x: Exchange, trailers: HeaderBlock | undefined): undefined | Promise<undefined>
  /** Whether a request that was handed over as a whole runs to its end when its client leaves. */
  outlivesClient(x: Exchange): boolean
  /** Exactly once, before the stages' own. */
  onFinish(x: Exchange): undefined
}
