/** The thread that reads the configuration of a server: the command line at the start, the same input again at a reload. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Values } from '../config/layer.ts'
import type { LoadInput, Started } from '../config/load.ts'
import type { Reread } from '../config/reread.ts'

export type Job =
  | { readonly job: 'start' }
  | { readonly job: 'reread'; readonly input: LoadInput; readonly before: Values }

/** Help was asked for, or something is wrong: it was said. */
export interface Ended {
  readonly exitCode: number
}

const answer = (what: Started | Ended | Reread): void => parentPort!.postMessage(what)

const job = workerData as Job
if (job.job === 'reread') {
  const { reread } = await import('../config/reread.ts')
  answer(await reread(job.input, job.before))
} else {
  const [{ runProgram }, { inputOf, loadInput }] = await Promise.all([import('./program.ts'), import('./load.ts')])
  let started: Started | undefined
  await runProgram(async (command, cli) => {
    const input = inputOf(cli, command)
    const loaded = await loadInput(input)
    if (loaded !== undefined) started = { command, input, loaded }
  })
  answer(started ?? { exitCode: Number(process.exitCode ?? 0) })
}
