/** Calls the hooks of stages and guards. What throws is counted and logged; a decider's throw fails the exchange. */
import { ProxyError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ResponseHead } from '../core/message.ts'
import type { Hook, PhaseTables } from './compile.ts'
import type { Exchange } from './exchange.ts'
import { phaseOf } from './phase.ts'
import { CONTINUE, type Guard, type Verdict } from './stage.ts'

/** A hook that is asked what becomes of the exchange. */
export type DecidingHook = Hook<(x: Exchange) => Verdict | Promise<Verdict>>
/** A call of one of a guard's methods. */
export type GuardCall<A, T> = (guard: Guard, x: Exchange, given: A) => T

/** The same for bytes of a body, `buf[start, end)`. */
export type GuardRead = (guard: Guard, x: Exchange, buf: Buffer, start: number, end: number) => undefined

/** What a runner is made of. */
export interface StageRunnerOptions {
  readonly log: Logger
  /** A stage or a guard threw. */
  readonly onFault: (stage: string) => void
  /** End the exchange for a decider that threw. */
  readonly fail: (x: Exchange, error: ProxyError) => void
}

/** Runs single hooks; which ones, and in what order, is the driver's business. */
export class StageRunner {
  readonly #log: Logger
  readonly #onFault: (stage: string) => void
  readonly #fail: (x: Exchange, error: ProxyError) => void

  constructor(options: StageRunnerOptions) {
    this.#log = options.log
    this.#onFault = options.onFault
    this.#fail = options.fail
  }

  decide(x: Exchange, hook: DecidingHook): Verdict | Promise<Verdict> {
    try {
      return hook.run(x)
    } catch (error) {
      return this.threw(x, hook, error)
    }
  }

  chunk(x: Exchange, hooks: PhaseTables['requestData'], chunk: Buffer): void {
    for (const hook of hooks) {
      try {
        const given: unknown = hook.run(x, chunk)
        if (given !== undefined) this.#later(x, hook, given)
      } catch (error) {
        this.threw(x, hook, error)
        if (x.finished) return
      }
    }
  }

  /** False: a stage failed the exchange, which was answered already. */
  responseHead(x: Exchange, hooks: PhaseTables['responseHead'], head: ResponseHead): boolean {
    for (const hook of hooks) {
      try {
        const given: unknown = hook.run(x, head)
        if (given !== undefined) this.#later(x, hook, given)
      } catch (error) {
        x.responded = false
        this.threw(x, hook, error)
        if (x.finished) return false
        x.responded = true
      }
    }
    return true
  }

  responseEnd(x: Exchange, hook: PhaseTables['responseEnd'][number]): undefined | Promise<undefined> {
    try {
      return hook.run(x)
    } catch (error) {
      this.threw(x, hook, error)
      return undefined
    }
  }

  /** It has failed already: a throw changes nothing any more. */
  refusedHead(x: Exchange, hooks: PhaseTables['refusedHead']): void {
    this.#tell(x, hooks, 'a stage threw at a refused head')
  }

  /** The exchange is over: a throw changes nothing any more. */
  finish(x: Exchange, hooks: PhaseTables['finish']): void {
    this.#tell(x, hooks, 'a stage threw at the finish')
  }

  #tell(x: Exchange, hooks: readonly Hook<(x: Exchange) => undefined>[], fault: string): void {
    for (const hook of hooks) {
      try {
        const given: unknown = hook.run(x)
        if (given !== undefined) this.#later(x, hook, given)
      } catch (error) {
        this.#onFault(hook.stage)
        this.#log.error({ stage: hook.stage, err: error }, fault)
      }
    }
  }

  /** Call a method of a guard; its throw fails the exchange. */
  guard<A, T>(x: Exchange, guard: Guard, call: GuardCall<A, T>, given: A): T | undefined {
    try {
      return call(guard, x, given)
    } catch (error) {
      this.threw(x, { stage: guard.name, decides: true, run: undefined }, error)
      return undefined
    }
  }

  /** The same for bytes of a body. */
  guardReads(x: Exchange, guard: Guard, read: GuardRead, buf: Buffer, start: number, end: number): void {
    try {
      read(guard, x, buf, start, end)
    } catch (error) {
      this.threw(x, { stage: guard.name, decides: true, run: undefined }, error)
    }
  }

  /** Async in a place where nothing waits, which only the types forbid: its rejection must not end the program. */
  #later(x: Exchange, hook: Hook<unknown>, given: unknown): void {
    if (given instanceof Promise) given.catch((error) => this.threw(x, hook, error))
  }

  /** An observer's fault is counted and traffic goes on; a decider's fails the exchange. */
  threw(x: Exchange, hook: Hook<unknown>, error: unknown): Verdict {
    this.#onFault(hook.stage)
    this.#log.error({ stage: hook.stage, err: error }, 'a stage threw')
    // On the response to a failure, a second fault changes nothing: the first is answered.
    if (hook.decides && !x.finished && x.error === undefined) {
      this.#fail(x, new ProxyError('stage_failed', phaseOf(x), `stage ${hook.stage}`, { cause: error }))
    }
    return CONTINUE
  }
}
