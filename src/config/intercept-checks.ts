/** What settings of the redirect rules need of each other. `net/redirect-rules.ts` holds whoever passes other options to it. */
import type { Command } from './commands.ts'
import type { Fault } from './fault.ts'
import type { Values } from './layer.ts'

/** Rules of these settings would turn the proxy's own calls back to it, or nothing at all. */
export function interceptFaults(command: Command, values: Values): Fault[] {
  if (command !== 'iptables') return []
  const port = values.get('port')?.parsed
  const clash = `ports other than ${port}, where the proxy itself listens`
  const wide = 'networks narrower than /0, which would exclude every call'
  return [
    // A proxy may take any free port; rules need to know which.
    ...against(values, 'port', (it) => it === 0, 'the port of the sidecar, 1 to 65535'),
    ...against(values, 'intercept.ports', (ports) => (ports as unknown[]).includes(port), clash),
    ...against(values, 'intercept.excludeOutboundCidrs', (all) => (all as string[]).some(isEverything), wide),
  ]
}

const isEverything = (cidr: string): boolean => /\/0+$/.test(cidr)

function against(values: Values, path: string, isWrong: (parsed: unknown) => boolean, expected: string): Fault[] {
  const given = values.get(path)
  if (given === undefined || !isWrong(given.parsed)) return []
  return [{ path, origin: given.origin, value: JSON.stringify(given.value), expected }]
}
