/** `hopscope iptables apply|check|clean`: the redirect rules of this network namespace. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config/schema.ts'
import {
  type Family,
  type RedirectOptions,
  redirectFaults,
  renderRules,
  TPROXY_MARK,
  TPROXY_TABLE,
} from '../net/redirect-rules.ts'
import { planApply, planClean, planDifferences } from '../net/rule-plan.ts'
import {
  hasIpv6,
  hasIpv6Address,
  hasNetAdmin,
  ip,
  restore,
  saveTable,
  saveTableIfAny,
  ToolError,
} from './iptables-tools.ts'

export type IptablesAction = 'apply' | 'check' | 'clean'

/** Where the messages go; one line a call, without its end. */
export interface IptablesOutput {
  info(line: string): void
  error(line: string): void
}

const console: IptablesOutput = {
  info: (line) => process.stdout.write(`${line}\n`),
  error: (line) => process.stderr.write(`${line}\n`),
}

/** The command's exit code: 0 done or as expected, 1 failed or different, 2 the settings are wrong. */
export async function runIptables(action: IptablesAction, config: Config, out = console): Promise<number> {
  return runRules(action, { ...config.intercept, port: config.port }, out)
}

/** {@link runIptables} with the options it needs. */
export function runRules(action: IptablesAction, options: RedirectOptions, out: IptablesOutput): number {
  const faults = redirectFaults(options)
  if (faults.length > 0) {
    for (const fault of faults) out.error(`intercept.${fault}`)
    return 2
  }
  if (process.platform !== 'linux') return failed(out, `interception needs Linux, and this is ${process.platform}`)
  if (!hasNetAdmin()) return failed(out, 'not permitted: run as root, or with the capability NET_ADMIN')
  try {
    return ACTIONS[action](options, out)
  } catch (error) {
    if (error instanceof ToolError) return failed(out, error.message)
    throw error
  }
}

function failed(out: IptablesOutput, message: string): number {
  out.error(`hopscope iptables: ${message}`)
  return 1
}

const ACTIONS: Record<IptablesAction, (options: RedirectOptions, out: IptablesOutput) => number> = {
  apply(options, out) {
    const wanted = families(options, out)
    for (const family of wanted) applyFamily(family, options)
    if (!wanted.includes(6) && hasIpv6()) cleanFamily(6)
    out.info(`ports ${options.ports.join(',')} go to ${options.port} (${options.mode})`)
    return 0
  },
  check(options, out) {
    const wanted = families(options, out)
    const lines = wanted.flatMap((family) => ofFamily(family, familyDifferences(family, options)))
    if (!wanted.includes(6) && hasIpv6()) lines.push(...ofFamily(6, leftRules(6, 'nat', 'mangle')))
    for (const line of lines) out.error(line)
    if (lines.length === 0) out.info('the rules are as configured')
    return lines.length === 0 ? 0 : 1
  },
  clean(_options, out) {
    cleanFamily(4)
    if (hasIpv6()) cleanFamily(6)
    out.info('no rules of hopscope are left')
    return 0
  },
}

/**
 * IPv6 may be off: then there is nothing to intercept, and that is worth a word but no failure. Off by sysctl, it may
 * come on later: REDIRECT's rules are there then, but TPROXY's route cannot be.
 */
function families(options: RedirectOptions, out: IptablesOutput): Family[] {
  if (!options.ipv6) return [4]
  if (options.mode === 'tproxy' ? hasIpv6Address() : hasIpv6()) return [4, 6]
  out.error(`warning: ${hasIpv6() ? 'IPv6 is off here' : 'this kernel has no IPv6'}; only IPv4 is intercepted`)
  return [4]
}

const tableOf = (options: RedirectOptions): string => (options.mode === 'tproxy' ? 'mangle' : 'nat')
const otherTable = (table: string): string => (table === 'nat' ? 'mangle' : 'nat')

function applyFamily(family: Family, options: RedirectOptions): void {
  const table = tableOf(options)
  const wanted = renderRules(readTemplate(options.mode), options, family)
  const stale = planClean(saveTableIfAny(family, otherTable(table)))
  // The route has to be there before the first marked packet is.
  if (options.mode === 'tproxy') addRoute(family)
  restore(family, [...stale, ...planApply(wanted, saveTable(family, table))])
  if (options.mode !== 'tproxy') removeRoute(family)
}

function cleanFamily(family: Family): void {
  restore(family, [...planClean(saveTableIfAny(family, 'nat')), ...planClean(saveTableIfAny(family, 'mangle'))])
  removeRoute(family)
}

function familyDifferences(family: Family, options: RedirectOptions): string[] {
  const table = tableOf(options)
  const wanted = renderRules(readTemplate(options.mode), options, family)
  return [
    ...planDifferences(wanted, saveTable(family, table)).map((line) => `${table}: ${line}`),
    ...leftRules(family, otherTable(table)),
    ...routeDifferences(family, options.mode === 'tproxy'),
  ]
}

function ofFamily(family: Family, lines: readonly string[]): string[] {
  return lines.map((line) => `ipv${family}: ${line}`)
}

/** Rules that are there where none should be. */
function leftRules(family: Family, ...tables: readonly string[]): string[] {
  return tables.flatMap((table) =>
    planDifferences([], saveTableIfAny(family, table)).map((line) => `${table}: ${line}`),
  )
}

const RULE = ['fwmark', `0x${TPROXY_MARK.toString(16)}`, 'lookup', String(TPROXY_TABLE)]
const anywhere = (family: Family): string => (family === 4 ? '0.0.0.0/0' : '::/0')

function addRoute(family: Family): void {
  ip(family, ['route', 'replace', 'local', anywhere(family), 'dev', 'lo', 'table', String(TPROXY_TABLE)])
  if (ruleCount(family) === 0) ip(family, ['rule', 'add', ...RULE])
}

function removeRoute(family: Family): void {
  for (let count = leftovers(() => ruleCount(family)); count > 0; count--) ip(family, ['rule', 'del', ...RULE])
  if (leftovers(() => Number(hasRoute(family))) === 0) return
  ip(family, ['route', 'del', 'local', anywhere(family), 'dev', 'lo', 'table', String(TPROXY_TABLE)])
}

/** Without iproute2, or policy routing in the kernel, the route was never there: REDIRECT needs neither. */
function leftovers(count: () => number): number {
  try {
    return count()
  } catch (error) {
    if (error instanceof ToolError) return 0
    throw error
  }
}

function routeDifferences(family: Family, wanted: boolean): string[] {
  if (!wanted) return []
  const missing: string[] = []
  if (ruleCount(family) === 0) missing.push(`missing     ip rule ${RULE.join(' ')}`)
  if (!hasRoute(family)) missing.push(`missing     local default route on lo in table ${TPROXY_TABLE}`)
  return missing
}

function ruleCount(family: Family): number {
  const wanted = ` ${RULE.join(' ')}`
  return ip(family, ['rule', 'show'])
    .split('\n')
    .filter((line) => line.trimEnd().endsWith(wanted)).length
}

function hasRoute(family: Family): boolean {
  // `table all` rather than the number: asking for a table that was never used is an error.
  const routes = ip(family, ['route', 'show', 'table', 'all']).split('\n')
  return routes.some((line) => line.startsWith(`local default dev lo table ${TPROXY_TABLE}`))
}

/** The templates lie beside `dist` in the package, and deeper above the compiled tests. */
function readTemplate(mode: RedirectOptions['mode']): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const file = join(directory, 'iptables', `${mode}.rules`)
    if (existsSync(file)) return readFileSync(file, 'utf8')
    const parent = dirname(directory)
    if (parent === directory) throw new ToolError(`iptables/${mode}.rules is missing from the package`)
    directory = parent
  }
}
