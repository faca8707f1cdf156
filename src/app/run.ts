/** `hopscope proxy` and `hopscope sidecar` as a process: signals, reload, and a clean end. */
import { faultReport } from '../config/fault.ts'
import { type LiveConfig, watchFile } from '../config/reload.ts'
import type { Config } from '../config/schema.ts'
import { onHandlerFault } from '../net/wire.ts'
import { type RunningProxy, startProxy } from './proxy.ts'
import { startServers } from './servers.ts'

/** Run until a signal or `POST /quit` ends it. Throws where it cannot start. */
export async function runProxy(command: 'proxy' | 'sidecar', config: Config, live: LiveConfig): Promise<void> {
  const proxy = await startProxy({ command, config })
  const end = ending(proxy)
  const servers = await startServers({
    served: proxy,
    config,
    describeConfig: () => live.describe(),
    onQuit: () => end('quit'),
    onDrain: () => proxy.plane.startDraining(),
  })
  onHandlerFault((error) => proxy.log.error({ err: error }, 'a connection ended by a fault of ours'))
  process.on('SIGTERM', () => end('SIGTERM'))
  process.on('SIGINT', () => end('SIGINT'))
  process.on('uncaughtException', (error) => {
    process.exitCode = 1
    proxy.log.error({ err: error }, 'a fault of ours')
    end('fault')
  })
  reloads(proxy, live)
  const { host, port } = proxy.address
  proxy.log.info({ host, port, ...servers.addresses }, 'listening')
}

/** The first call drains and exits, the second exits at once. */
function ending(proxy: RunningProxy): (why: string) => void {
  let asked = false
  return (why) => {
    if (asked) process.exit(process.exitCode ?? 1)
    asked = true
    proxy.log.info({ why }, 'draining')
    proxy.close().finally(() => process.exit(process.exitCode ?? 0))
  }
}

/** SIGHUP and a changed file read the configuration anew; a bad one changes nothing. */
function reloads(proxy: RunningProxy, live: LiveConfig): void {
  live.onChange((config) => proxy.reconfigure(config))
  const reload = async (): Promise<void> => {
    const { faults, changed, needRestart } = await live.reload()
    if (faults.length > 0) proxy.log.error({ report: faultReport(faults) }, 'the new configuration is refused')
    else proxy.log.info({ changed, needRestart }, 'configuration read')
  }
  process.on('SIGHUP', reload)
  if (live.file !== undefined) watchFile(live.file, reload)
}
