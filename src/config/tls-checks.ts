/** What settings of TLS need of each other. */
import type { Command } from './commands.ts'
import { type Fault, shown } from './fault.ts'
import type { Values } from './layer.ts'
import { PAIRS } from './pem-files.ts'
import { settingByPath } from './schema.ts'

/** Faults over values that were good by themselves. `seen`: paths that have a fault already. */
export function tlsFaults(command: Command, values: Values, seen: ReadonlySet<string>): Fault[] {
  return [...PAIRS.flatMap((pair) => unpaired(pair, values, seen)), ...clientFaults(command, values)]
}

function unpaired(pair: readonly string[], values: Values, seen: ReadonlySet<string>): Fault[] {
  const [given, absent] = [pair.filter((path) => values.has(path)), pair.filter((path) => !values.has(path))]
  if (given.length !== 1 || seen.has(absent[0]!)) return []
  const { origin } = values.get(given[0]!)!
  return [{ path: absent[0]!, origin: '', value: '', expected: `a PEM file, since ${given[0]} is set (${origin})` }]
}

function clientFaults(command: Command, values: Values): Fault[] {
  if (command !== 'proxy' && command !== 'sidecar') return []
  const asked = values.get('tls.clientAuth')
  const asks = asked !== undefined && asked.parsed !== 'off'
  const faults: Fault[] = []
  if (asks && !values.has('tls.cert') && !values.has('tls.certificates')) {
    faults.push(against('tls.clientAuth', values, 'off, or a certificate to terminate TLS with (tls.cert)'))
  }
  if (asks && !values.has('tls.clientCa')) {
    const expected = `a PEM file of authorities, since tls.clientAuth is ${asked.parsed} (${asked.origin})`
    faults.push({ path: 'tls.clientCa', origin: '', value: '', expected })
  }
  if (!asks && values.has('tls.allowedIdentities')) {
    faults.push(
      against('tls.allowedIdentities', values, 'it with tls.clientAuth request or require, else nobody has one'),
    )
  }
  return faults
}

function against(path: string, values: Values, expected: string): Fault {
  const { origin, value } = values.get(path)!
  return { path, origin, value: shown(settingByPath.get(path)!, value), expected }
}

/** Settings that are seldom meant. */
export function tlsCautions(values: Values): string[] {
  if (values.get('upstream.tls.verify')?.parsed !== false) return []
  return [
    'upstream.tls.verify is false: upstreams may be anyone, and anyone between reads and changes everything. Name their authority in upstream.tls.ca instead',
  ]
}
