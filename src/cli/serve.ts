/**
 * `hopscope proxy` and `hopscope sidecar`. Schema, YAML and command line are read in a thread that ends after it: what they
 * take, 12 MiB, is not the proxy's, and reading them again takes nothing from the data thread (ADR 84).
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Start, Starting } from '../app/cluster-protocol.ts'
import type { Started } from '../config/load.ts'
import type { Reread } from '../config/reread.ts'
import type { Ended, Job } from './config-thread.ts'
import { tellWhy } from './failure.ts'

/** Serves what the command line says, until a signal ends it; failures to start are told on stderr and by the exit code. */
export async function serve(): Promise<void> {
  // Who asks for a reload before one can be done is not to end the process.
  process.on('SIGHUP', () => {})
  try {
    // The thread is what a start waits for longest: it goes first, and all else is loaded meanwhile.
    const [started, { runProxy }, { LiveConfig }, { warnOfRuntime }] = await Promise.all([
      process.channel === undefined ? start() : startOrTold(),
      import('../app/run.ts'),
      import('../config/reload.ts'),
      import('./runtime.ts'),
    ])
    if ('exitCode' in started) {
      process.exitCode = started.exitCode
      return
    }
    warnOfRuntime()
    const { command, input, loaded } = started
    const live = new LiveConfig(input, loaded, (again, before) =>
      inThread<Reread>({ job: 'reread', input: again, before }),
    )
    await runProxy(command, live.current, live)
  } catch (error) {
    tellWhy(error)
    // One of the processes of --concurrency: the channel to the first one must not keep what cannot start.
    process.channel?.unref()
  }
}

const start = (): Promise<Started | Ended> => inThread({ job: 'start' })

/** Somebody started us with a channel: the first of several processes, or a program that keeps us. */
async function startOrTold(): Promise<Started | Ended> {
  const { default: cluster } = await import('node:cluster')
  return cluster.isWorker ? fromFirst() : start()
}

/** One of several runs what the first one runs: the file may hold by now what waits for a restart, or a fault. */
async function fromFirst(): Promise<Started> {
  // What is sent before anybody listens is lost.
  process.send!({ starting: true } satisfies Starting)
  const [{ start }] = (await once(process, 'message')) as [Start]
  return start
}

/** What the thread answers. Rejects where it fails, for want of memory say. */
function inThread<Answer>(job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./config-thread.js', import.meta.url), {
      ...{ name: 'hopscope-config', workerData: job, argv: process.argv.slice(2) },
    })
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the thread that reads the configuration ended without an answer')))
  })
}
