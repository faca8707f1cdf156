/** A proxy in this process, as `hopscope proxy` composes it, before an origin of the test's choice. */
import assert from 'node:assert/strict'
import { DataPlane } from '../../src/app/data-plane.ts'
import { reversePlacement } from '../../src/app/placements.ts'
import { loadConfig } from '../../src/config/load.ts'

export interface TestProxy {
  readonly port: number
  /** Errors that the proxy logged: none is expected, whatever a peer sends. */
  readonly complaints: readonly unknown[]
  close(): Promise<void>
}

/** Start a proxy on a free port. `flags` are settings by path, as text. */
export async function startProxy(originPort: number, flags: Record<string, string> = {}): Promise<TestProxy> {
  const upstream = `http://127.0.0.1:${originPort}`
  const loaded = await loadConfig({ command: 'proxy', env: {}, flags: { 'upstream.url': upstream, ...flags } })
  if (!loaded.ok) assert.fail(JSON.stringify(loaded.faults))
  const complaints: unknown[] = []
  const complain = (...what: unknown[]): void => {
    complaints.push(what)
  }
  const plane = await DataPlane.start({
    config: loaded.config,
    placement: reversePlacement({ host: '127.0.0.1', port: 0 }, upstream, false),
    sample: () => true,
    observers: [],
    userStages: [],
    log: { debug: () => {}, info: () => {}, warn: complain, error: complain },
    onStageFault: complain,
    onRefusedConnection: () => {},
  })
  return { port: plane.address.port, complaints, close: () => plane.drain(0) }
}
