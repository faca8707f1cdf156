/** The origin: nginx with bodies of fixed sizes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ahead, freePort, logTail, runDir, type Started, start, stop, waitForPort } from '../system/processes.ts'
import { WORKLOADS } from '../workloads.ts'
import { fillTemplate } from './template.ts'

/** The running origin. */
export interface Origin {
  readonly entry: Started
  readonly port: number
}

/** Starts the origin; throws with the reason when it does not come up. */
export async function startOrigin(): Promise<Origin> {
  const www = join(runDir, 'www')
  mkdirSync(www, { recursive: true })
  for (const workload of WORKLOADS) {
    if (workload.name === 'small') continue
    writeFileSync(
      join(www, workload.path.slice(1)),
      '{"value":"'.padEnd(workload.bodyBytes - 2, 'abcdefgh').concat('"}'),
    )
  }
  const port = await freePort()
  const config = fillTemplate('origin.conf', { PORT: port })
  const [command, ...args] = ahead('nginx', '-p', runDir, '-c', config)
  const entry = start('origin', 'rest', command, args)
  if (await waitForPort(port, entry, 5000)) return { entry, port }
  const reason = entry.pid === -1 ? 'nginx is not installed (apt-get install nginx)' : logTail(entry)
  await stop(entry)
  throw new Error(`the origin did not start: ${reason}`)
}
