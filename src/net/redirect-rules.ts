/**
 * The redirect rules as text: options checked, templates filled in. Pure. The templates (`iptables/*.rules`) are shared
 * with `iptables/init.sh`, which does the same without Node.
 */
import { canonicalCidr } from '../core/ip-address.ts'
import type { InterceptMode } from './original-dst.ts'

/** What the rules depend on. */
export interface RedirectOptions {
  readonly mode: InterceptMode
  /** Where the proxy listens. */
  readonly port: number
  /** Destination ports that are intercepted, both ways. */
  readonly ports: readonly number[]
  /** User and group that the proxy runs as. */
  readonly proxyUid: number
  readonly excludeInboundPorts: readonly number[]
  readonly excludeOutboundPorts: readonly number[]
  /** Networks of both families, each used in its own. */
  readonly excludeOutboundCidrs: readonly string[]
  readonly excludeUids: readonly number[]
  /** Whether IPv6 is intercepted too. */
  readonly ipv6: boolean
}

export type Family = 4 | 6

/** fwmark of intercepted packets and number of the routing table in TPROXY mode; also written in the template. */
export const TPROXY_MARK = 0x539
export const TPROXY_TABLE = 133

/** (uid_t) -1 is "no user". */
const MAX_UID = 0xffff_fffe

/**
 * Every fault of the options, in words. Nothing gets into a rule that was not checked here: an exclusion comes from an
 * annotation in some deployments, and rules are text.
 */
export function redirectFaults(options: RedirectOptions): string[] {
  const faults: string[] = []
  const port = (name: string, value: number): void => {
    if (!isWithin(value, 1, 65535)) faults.push(`${name}: ${show(value)} is not a port`)
  }
  const uid = (name: string, value: number): void => {
    if (!isWithin(value, 0, MAX_UID)) faults.push(`${name}: ${show(value)} is not a user id`)
  }
  if (options.mode !== 'redirect' && options.mode !== 'tproxy') faults.push(`mode: ${show(options.mode)} is not known`)
  port('port', options.port)
  if (options.ports.length === 0) faults.push('ports: there must be one at least')
  for (const one of options.ports) port('ports', one)
  if (options.ports.includes(options.port)) faults.push(`ports: ${options.port} is the port of the proxy itself`)
  for (const one of options.excludeInboundPorts) port('excludeInboundPorts', one)
  for (const one of options.excludeOutboundPorts) port('excludeOutboundPorts', one)
  uid('proxyUid', options.proxyUid)
  if (options.proxyUid === 0) faults.push('proxyUid: the proxy must not be root: all of root’s calls would go unseen')
  for (const one of options.excludeUids) uid('excludeUids', one)
  for (const one of options.excludeOutboundCidrs) {
    const network = typeof one === 'string' ? canonicalCidr(one) : undefined
    if (network === undefined) faults.push(`excludeOutboundCidrs: ${show(one)} is not an address or a network`)
    else if (network.cidr.endsWith('/0')) faults.push(`excludeOutboundCidrs: ${show(one)} excludes everything`)
  }
  return faults
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value)
}

/**
 * Fill in a template for one family. The options have passed {@link redirectFaults}.
 * @returns lines for iptables-restore, from `*table` to `COMMIT`, in the form in which iptables-save prints them
 */
export function renderRules(template: string, options: RedirectOptions, family: Family): string[] {
  const values = templateValues(options, family)
  const lines: string[] = []
  for (const line of template.split('\n')) {
    if (line !== '' && !line.startsWith('#')) lines.push(...fill(line, values))
  }
  return lines
}

type TemplateValues = ReadonlyMap<string, readonly (string | number)[]>

function templateValues(options: RedirectOptions, family: Family): TemplateValues {
  const networks = options.excludeOutboundCidrs.map(canonicalCidr).filter((network) => network?.family === family)
  return new Map<string, readonly (string | number)[]>([
    ['any', [family === 4 ? '0.0.0.0' : '::']],
    ['port', [options.port]],
    ['ports', unique(options.ports)],
    ['link_local', family === 6 ? ['fe80::/10'] : []],
    ['proxy_uid', [options.proxyUid]],
    ['exclude_inbound_ports', unique(options.excludeInboundPorts)],
    ['exclude_outbound_ports', unique(options.excludeOutboundPorts)],
    ['exclude_outbound_cidrs', unique(networks.map((network) => network!.cidr))],
    ['exclude_uids', unique(options.excludeUids)],
  ])
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}

/** The line once for each value of its first placeholder, and so on with the next. */
function fill(line: string, values: TemplateValues): string[] {
  const start = line.indexOf('@')
  if (start < 0) return [line]
  const end = line.indexOf('@', start + 1)
  const name = line.slice(start + 1, end)
  const list = values.get(name)
  if (list === undefined) throw new Error(`the rule template has an unknown placeholder: ${line}`)
  return list.flatMap((value) => fill(line.slice(0, start) + value + line.slice(end + 1), values))
}
