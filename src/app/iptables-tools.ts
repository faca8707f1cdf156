/** Runs the netfilter and routing programs of the system. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { Family } from '../net/redirect-rules.ts'
import { readSaved, type SavedTable } from '../net/rule-plan.ts'

/** A program was missing or failed; the message is for the person who ran the command. */
export class ToolError extends Error {}

/** The xtables lock is waited for so long: another program may be writing rules, but it must not hang the pod. */
const LOCK_WAIT_S = 10
const TIMEOUT_MS = 30_000

const prefix = (family: Family): string => (family === 4 ? 'iptables' : 'ip6tables')

/** Run a program to its end; its stdout. */
function run(program: string, args: readonly string[], input = ''): string {
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    // Tools are in sbin, which the PATH of an unprivileged shell may lack.
    env: { PATH: '/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin', LC_ALL: 'C' },
  })
  if (error !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') {
    throw new ToolError(`${program} is not installed (Debian and Alpine: package ${packageOf(program)})`)
  }
  if (error !== undefined) throw new ToolError(`${program}: ${error.message}`)
  if (status === 0) return stdout
  const said = stderr.trim() === '' ? `ended with ${signal ?? `exit code ${status}`}` : stderr.trim()
  throw new ToolError(`${[program, ...args].join(' ')}: ${said}`)
}

function packageOf(program: string): string {
  return program === 'ip' ? 'iproute2' : 'iptables'
}

/** Our part of a table as it is now. */
export function saveTable(family: Family, table: string): SavedTable {
  return readSaved(table, run(`${prefix(family)}-save`, ['-t', table]))
}

/** What the legacy programs say of a table that the kernel does not have; nft makes tables as they are asked for. */
const NO_TABLE = '(do you need to insmod?)'

/** {@link saveTable} of a table that need not be there: without it there is nothing of ours in it. */
export function saveTableIfAny(family: Family, table: string): SavedTable {
  try {
    return saveTable(family, table)
  } catch (error) {
    if (error instanceof ToolError && error.message.includes(NO_TABLE)) return readSaved(table, '')
    throw error
  }
}

/** One transaction per table in `lines`; nothing of ours else is touched. */
export function restore(family: Family, lines: readonly string[]): void {
  if (lines.length === 0) return
  const wait = ['-w', String(LOCK_WAIT_S)]
  run(`${prefix(family)}-restore`, [...wait, '--noflush'], `${lines.join('\n')}\n`)
}

/** `ip -4 …` or `ip -6 …`. */
export function ip(family: Family, args: readonly string[]): string {
  return run('ip', [`-${family}`, ...args])
}

const IPV6_ADDRESSES = '/proc/net/if_inet6'

/** Whether the kernel has IPv6. */
export function hasIpv6(): boolean {
  return existsSync(IPV6_ADDRESSES)
}

/** Whether any interface has an IPv6 address, if only `lo`: none has where a sysctl switched IPv6 off, as Docker does. */
export function hasIpv6Address(): boolean {
  return hasIpv6() && readFileSync(IPV6_ADDRESSES, 'latin1') !== ''
}

/** CAP_NET_ADMIN in the effective set: what rules need, root or not (capabilities(7)). */
export function hasNetAdmin(): boolean {
  const match = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return match !== null && ((BigInt(`0x${match[1]}`) >> 12n) & 1n) === 1n
}
