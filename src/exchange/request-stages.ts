/** What a request goes through before its first attempt: the stages' word on its head, which may wait, or gather its body. */
import { copyOf, withPiece } from '../core/bytes.ts'
import { nowUs } from '../core/clock.ts'
import type { Hook, PhaseTables } from './compile.ts'
import type { Exchange } from './exchange.ts'
import { ANSWERED, CONTINUE, GATHER, type Guard, type Verdict } from './stage.ts'
import type { DecidingHook, GuardRead, StageRunner } from './stage-runner.ts'

/** What becomes of a request. */
export interface RequestOutcome {
  /** All stages let it pass. */
  readonly passed: (x: Exchange) => void
  /** A stage has the answer, in `x.answer` or `x.refusal`. */
  readonly answered: (x: Exchange) => void
}

/** Asks the guard, as a hook of a stage. */
const GATHERED: DecidingHook = { stage: 'guard', decides: true, run: (x) => x.guard!.onGathered(x) }
const requestRead: GuardRead = (guard, x, buf, start, end) => guard.onRequestData(x, buf, start, end)

/** Walks the request head's hooks. */
export class RequestStages {
  readonly #head: PhaseTables['requestHead']
  readonly #data: PhaseTables['requestData']
  readonly #runner: StageRunner
  readonly #passed: RequestOutcome['passed']
  readonly #answered: RequestOutcome['answered']

  constructor(stages: PhaseTables, runner: StageRunner, outcome: RequestOutcome) {
    this.#head = stages.requestHead
    this.#data = stages.requestData
    this.#runner = runner
    this.#passed = outcome.passed
    this.#answered = outcome.answered
  }

  /** The hooks from number `from` on. */
  run(x: Exchange, from: number): void {
    const hooks = this.#head
    for (let i = from; i < hooks.length; i++) {
      const verdict = this.#runner.decide(x, hooks[i]!)
      if (x.finished) return
      if (verdict === CONTINUE) continue
      if (verdict instanceof Promise) this.#await(x, hooks[i]!, verdict, i + 1)
      else this.#decided(x, hooks[i]!, verdict, i + 1)
      return
    }
    if (x.replayBody !== undefined) this.#showGathered(x, x.replayBody)
    if (x.finished) return
    x.timing.queuedUs = nowUs()
    this.#passed(x)
  }

  #await(x: Exchange, hook: Hook<unknown>, verdict: Promise<Verdict>, next: number): void {
    verdict
      .catch((error) => this.#runner.threw(x, hook, error))
      .then((settled) => {
        if (x.finished) return
        this.#decided(x, hook, settled, next)
        x.down.resumeRequest()
      })
  }

  #decided(x: Exchange, hook: Hook<unknown>, verdict: Verdict, next: number): void {
    if (verdict === ANSWERED) this.#answered(x)
    else if (verdict === CONTINUE) this.run(x, next)
    else if (verdict === GATHER && x.guard !== undefined) {
      x.gatherNext = next
      x.replayBody = []
      if (x.requestEnded) this.gathered(x)
    } else {
      // Of users without types, who forget a return.
      this.#runner.threw(x, hook, new TypeError(`onRequestHead gave ${verdict}: CONTINUE or ANSWERED is expected`))
      if (!x.finished) this.run(x, next)
    }
  }

  /** The body is here as a whole: the guard decides. */
  gathered(x: Exchange): void {
    const next = x.gatherNext
    x.gatherNext = -1
    const verdict = this.#runner.decide(x, GATHERED)
    if (x.finished) return
    if (verdict instanceof Promise) this.#await(x, GATHERED, verdict, next)
    else this.#decided(x, GATHERED, verdict, next)
  }

  /** Stages behind the one that gathered see the body after the head, as ever. */
  #showGathered(x: Exchange, body: readonly Buffer[]): void {
    if (this.#data.length === 0) return
    for (const piece of body) {
      this.#runner.chunk(x, this.#data, piece)
      if (x.finished) return
    }
  }

  /** A guard sees the bytes, or they are gathered for it. False: they go no further now. */
  guardTakes(x: Exchange, guard: Guard, buf: Buffer, start: number, end: number): boolean {
    if (x.gatherNext >= 0) {
      x.requestBytes += end - start
      x.replayBody = withPiece(x.replayBody!, copyOf(buf, start, end))
      return false
    }
    this.#runner.guardReads(x, guard, requestRead, buf, start, end)
    return !x.finished
  }
}
