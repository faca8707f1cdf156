/** `hopscope proxy` and `hopscope sidecar` as a process: signals, reload, and a clean end. */
import cluster from 'node:cluster'
import { type LiveConfig, watchFile } from '../config/reload.ts'
import type { Config } from '../config/schema.ts'
import { releaseProgramPages } from '../native/program-pages.ts'
import type { Asked, Question } from './cluster-protocol.ts'
import { type Ending, ending } from './ending.ts'
import { type RunningProxy, startProxy } from './proxy.ts'
import { tellOfReload } from './reload-report.ts'
import { startServers } from './servers.ts'

/** What the start and the first exchanges load is in memory by then. */
const SETTLED_MS = 2000

/** Run until a signal or `POST /quit` ends it. Throws where it cannot start. */
export async function runProxy(command: 'proxy' | 'sidecar', config: Config, live: LiveConfig): Promise<void> {
  if (config.concurrency > 1 && cluster.isPrimary) {
    const { runCluster } = await import('./cluster.ts')
    await runCluster(command, config, live)
    return
  }
  const proxy = await startProxy({ command, config })
  const end = ending((why) => {
    proxy.log.info({ why }, 'draining')
    proxy.close().finally(() => process.exit(process.exitCode ?? 0))
  })
  process.on('uncaughtException', (error) => {
    process.exitCode = 1
    proxy.log.error({ err: error }, 'a fault of ours')
    end.begin('fault')
  })
  live.onChange((now, changed) => proxy.reconfigure(now, changed))
  if (cluster.isWorker) serveQuestions(proxy, live, end)
  else await serveAlone(proxy, config, live, end)
  setTimeout(releaseProgramPages, SETTLED_MS).unref()
}

/** The only process: it has the servers and the terminal. */
async function serveAlone(proxy: RunningProxy, config: Config, live: LiveConfig, end: Ending): Promise<void> {
  const servers = await startServers({
    served: proxy,
    config,
    describeConfig: () => live.describe(),
    onQuit: () => end.begin('quit'),
    onDrain: () => proxy.plane.startDraining(),
  }).catch(async (error) => {
    await proxy.close(0)
    throw error
  })
  process.on('SIGTERM', end.signal)
  process.on('SIGINT', end.signal)
  const reload = async (): Promise<void> => tellOfReload(proxy.log, await live.reload())
  if (live.file !== undefined) watchFile(live.file, reload)
  process.on('SIGHUP', reload)
  proxy.log.info({ ...proxy.address, ...servers.addresses, startMs: Math.round(performance.now()) }, 'listening')
}

/** One of several: the first process has the servers and asks. The terminal's ctrl-C is its business too. */
function serveQuestions(proxy: RunningProxy, live: LiveConfig, end: Ending): void {
  const answer = (question: Question): unknown => {
    switch (question.ask) {
      case 'snapshot':
        return proxy.telemetry.metrics.snapshot()
      case 'exchanges':
        return proxy.exchanges(question.query)
      case 'idempotency':
        return proxy.idempotency()
      case 'sampling':
        return proxy.sampling()
      case 'drain':
        return proxy.plane.startDraining()
      case 'take-config':
        live.take(question.now)
        return true
      case 'ticket-keys':
        return proxy.setTicketKeys(Buffer.from(question.keys, 'base64'))
      case 'log-level':
        proxy.logLevel = question.level
        return true
    }
  }
  // One sent to the whole group comes twice: from the sender and from the first process, which is the one to use force.
  process.on('SIGTERM', end.begin)
  process.on('SIGINT', () => {})
  process.on('message', async ({ id, question }: Asked) => {
    process.send?.({ id, answer: await answer(question) })
  })
  process.on('disconnect', () => process.exit(1))
  process.send?.({ listening: proxy.address })
}
