/** Admin and metrics servers of a running proxy. */
import type { RunningProxy } from './proxy.ts'

export async function startServers(_options: {
  proxy: RunningProxy
  admin: unknown
  metrics: unknown
  describeConfig: () => unknown
  onQuit: () => void
}): Promise<{ addresses: Record<string, string> }> {
  return { addresses: {} }
}
