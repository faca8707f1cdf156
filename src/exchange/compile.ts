/** Stages → phase tables: what the driver walks, decided once at start instead of per request. */
import type { ResponseHead } from '../core/message.ts'
import type { Exchange } from './exchange.ts'
import type { Stage, Verdict } from './stage.ts'

/** One stage's hook with what is needed when it throws. */
export interface Hook<F> {
  readonly stage: string
  readonly decides: boolean
  readonly run: F
}

/** The hooks of all stages by phase, in the order in which they run. */
export interface PhaseTables {
  readonly requestHead: readonly Hook<(x: Exchange) => Verdict | Promise<Verdict>>[]
  readonly refusedHead: readonly Hook<(x: Exchange) => undefined>[]
  readonly requestData: readonly Hook<(x: Exchange, chunk: Buffer) => undefined>[]
  readonly responseHead: readonly Hook<(x: Exchange, head: ResponseHead) => undefined>[]
  readonly responseData: readonly Hook<(x: Exchange, chunk: Buffer) => undefined>[]
  readonly responseEnd: readonly Hook<(x: Exchange) => undefined | Promise<undefined>>[]
  /** Reverse order of the stack. */
  readonly finish: readonly Hook<(x: Exchange) => undefined>[]
}

/** Compile a stack. Throws on two stages of one name: logs and bags are keyed by it. */
export function compileStages(stages: readonly Stage[]): PhaseTables {
  const names = new Set<string>()
  for (const { name } of stages) {
    if (names.has(name)) throw new Error(`two stages are named ${name}`)
    names.add(name)
  }
  const table = <F>(pick: (stage: Stage) => F | undefined): Hook<F>[] =>
    stages.flatMap((stage) => {
      const run = pick(stage)
      return run === undefined ? [] : [{ stage: stage.name, decides: stage.role === 'decide', run }]
    })
  return {
    requestHead: table((stage) => stage.onRequestHead?.bind(stage)),
    refusedHead: table((stage) => stage.onRefusedHead?.bind(stage)),
    requestData: table((stage) => stage.onRequestData?.bind(stage)),
    responseHead: table((stage) => stage.onResponseHead?.bind(stage)),
    responseData: table((stage) => stage.onResponseData?.bind(stage)),
    responseEnd: table((stage) => stage.onResponseEnd?.bind(stage)),
    finish: table((stage) => stage.onFinish?.bind(stage)).reverse(),
  }
}
