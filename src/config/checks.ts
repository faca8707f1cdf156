/** What no single setting can see: settings that need, exclude or contradict each other. */

import type { Command } from './commands.ts'
import { type Fault, shown } from './fault.ts'
import { idempotencyFaults } from './idempotency-checks.ts'
import { interceptFaults } from './intercept-checks.ts'
import type { Values } from './layer.ts'
import { pemFaults } from './pem-files.ts'
import { SETTINGS, settingByPath } from './schema.ts'
import { tlsCautions, tlsFaults } from './tls-checks.ts'
import type { HostPort } from './values.ts'

/** Faults over the values that were good by themselves. `seen`: paths that have a fault already. */
export function crossFaults(command: Command, values: Values, seen: ReadonlySet<string>): Fault[] {
  return [
    ...notYet(values),
    ...missing(command, values, seen),
    ...tlsFaults(command, values, seen),
    ...(command === 'iptables' ? [] : pemFaults(command, values)),
    ...sharedAddresses(command, values),
    ...interceptFaults(command, values),
    ...transparentSeveral(command, values),
    ...idempotencyFaults(command, values),
    ...fleetFaults(command, values),
  ]
}

/** Warnings: good values that are seldom meant. */
export function cautions(command: Command, values: Values): string[] {
  if (command === 'iptables') return []
  const cautions = tlsCautions(values)
  if (command === 'aggregator') return [...cautions, ...openPage(values), ...openFleet(values)]
  const admin = values.get('admin')?.parsed as HostPort | 'off' | undefined
  if (admin === undefined || admin === 'off' || isLoopback(admin.host)) return cautions
  return [...cautions, `admin listens on ${admin.host}: whoever reaches it can stop the proxy`]
}

function openPage(values: Values): string[] {
  const ui = values.get('aggregator.ui')?.parsed as HostPort | undefined
  if (ui === undefined || isLoopback(ui.host)) return []
  return [`the page listens on ${ui.host}: whoever reaches it can read every span`]
}

function openFleet(values: Values): string[] {
  const listen = values.get('aggregator.replicaListen')?.parsed as HostPort | 'off' | undefined
  if (listen === undefined || listen === 'off' || isLoopback(listen.host) || values.has('aggregator.replicaToken'))
    return []
  return [
    `replicas are asked on ${listen.host} without aggregator.replicaToken: whoever reaches it can read every span`,
  ]
}

/** A fleet works both ways: who asks the others is asked by them. */
function fleetFaults(command: Command, values: Values): Fault[] {
  const [replicas, listen] = [values.get('aggregator.replicas'), values.get('aggregator.replicaListen')]
  if (command !== 'aggregator' || replicas === undefined || (replicas.parsed as readonly unknown[]).length === 0)
    return []
  if (listen !== undefined && listen.parsed !== 'off') return []
  const expected = 'aggregator.replicaListen beside it (--replica-listen): the others ask this one there'
  return [{ path: 'aggregator.replicas', origin: replicas.origin, value: JSON.stringify(replicas.value), expected }]
}

const isLoopback = (host: string): boolean => /^127\.|^::1$|^localhost$/i.test(host)

// Whatever the command: a file with TLS settings must never look accepted.
function notYet(values: Values): Fault[] {
  return SETTINGS.flatMap((setting) => {
    const given = setting.later === undefined ? undefined : values.get(setting.path)
    if (given === undefined) return []
    const expected = `it to be absent: ${setting.later} is not in this version yet`
    return [{ path: setting.path, origin: given.origin, value: shown(setting, given.value), expected }]
  })
}

function missing(command: Command, values: Values, seen: ReadonlySet<string>): Fault[] {
  return SETTINGS.filter(
    ({ path, requiredBy }) => requiredBy?.includes(command) === true && !values.has(path) && !seen.has(path),
  ).map(({ path, flag, env, kind }) => {
    const expected = `${kind.expects}: \`hopscope ${command}\` needs it (${flag}, ${env} or the file)`
    return { path, origin: '', value: '', expected }
  })
}

/** A transparent socket is bound before the step down from root, by one process alone. */
function transparentSeveral(command: Command, values: Values): Fault[] {
  const [mode, several] = [values.get('intercept.mode'), values.get('concurrency')]
  if (command !== 'sidecar' || mode?.parsed !== 'tproxy' || several === undefined) return []
  if (several.parsed === 1) return []
  const expected = '1: with intercept.mode tproxy one process takes all traffic'
  return [{ path: 'concurrency', origin: several.origin, value: String(several.value), expected }]
}

const LISTENERS = [
  ...['listen', 'port', 'admin', 'metrics'],
  ...['aggregator.otlpGrpc', 'aggregator.otlpHttp', 'aggregator.ui', 'aggregator.replicaListen'],
  ...['injector.listen', 'kubelet.listen'],
]

/** Two listeners on one port would fail one by one at start, the second only after the first is fixed. */
function sharedAddresses(command: Command, values: Values): Fault[] {
  if (command === 'iptables') return []
  const taken = new Map<number, string>()
  return LISTENERS.flatMap((path) => {
    const given = settingByPath.get(path)!.commands.includes(command) ? values.get(path) : undefined
    if (given === undefined) return []
    const port = portOf(given.parsed)
    const other = port === 0 ? undefined : taken.get(port)
    taken.set(port, path)
    if (other === undefined) return []
    const value = JSON.stringify(given.value)
    return [{ path, origin: given.origin, value, expected: `a port other than that of ${other}` }]
  })
}

function portOf(parsed: unknown): number {
  if (typeof parsed === 'number') return parsed
  return parsed === 'off' ? 0 : (parsed as HostPort).port
}
