import type { Config } from '../config/schema.ts'
import { DataPlane } from './data-plane.ts'
import { placementOf } from './placements.ts'

export async function runProxy(command: 'proxy' | 'sidecar', config: Config): Promise<void> {
  const log = { debug: () => {}, info: console.error, warn: console.error, error: console.error }
  const plane = await DataPlane.start({
    config,
    placement: placementOf(command as 'proxy', config),
    sample: () => true,
    observers: [],
    userStages: [],
    log,
    onStageFault: () => {},
    onRefusedConnection: () => {},
  })
  console.log(plane.address)
}
