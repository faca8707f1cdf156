/** Loaded into the aggregator with `--import`: a CPU profile of each of its threads, once it is warm. */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

const AFTER_MS = 4000
const FOR_MS = 8000
const folder = new URL(import.meta.url).searchParams.get('dir') ?? '.'

const session = new Session()
session.connect()
setTimeout(() => {
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: 400 })
  session.post('Profiler.start')
  setTimeout(() => {
    session.post('Profiler.stop', (error, result) => {
      if (error === null) writeFileSync(join(folder, `thread-${threadId}.cpuprofile`), JSON.stringify(result.profile))
    })
  }, FOR_MS).unref()
}, AFTER_MS).unref()
