/** Paths of the compiled programs that tests run in namespaces, and the rules' options they have in common. */
import { fileURLToPath } from 'node:url'
import type { RedirectOptions } from '../../src/net/redirect-rules.ts'
import type { Namespace } from './netns.ts'

export const APP_UID = 1000
export const PROXY_UID = 1337

/** Command line of a program of this folder. */
export function program(name: string, ...args: readonly (string | number)[]): string[] {
  return [process.execPath, fileURLToPath(new URL(`${name}.js`, import.meta.url)), ...args.map(String)]
}

export const OPTIONS: RedirectOptions = {
  mode: 'redirect',
  port: 15001,
  ports: [80, 443],
  proxyUid: PROXY_UID,
  excludeInboundPorts: [],
  excludeOutboundPorts: [],
  excludeOutboundCidrs: [],
  excludeUids: [],
  ipv6: true,
}

/** `hopscope iptables ACTION` in a namespace: exit code and all that it said. */
export function rules(
  ns: Namespace,
  action: 'apply' | 'check' | 'clean',
  options: Partial<RedirectOptions> = {},
): { status: number; said: string } {
  const { status, stdout, stderr } = ns.exec(
    program('rules-command', action, JSON.stringify({ ...OPTIONS, ...options })),
  )
  return { status, said: stdout + stderr }
}

/** What a client gets from HOST:PORT, as `uid`. */
export function dial(ns: Namespace, host: string, port: number, uid = APP_UID): string {
  return ns.exec(program('dial', host, port), { uid }).stdout.trim()
}

/** All rules and our routing, as text that can be compared. */
export function state(ns: Namespace): string {
  const commands = [
    ['iptables-save'],
    ['ip6tables-save'],
    ['ip', '-4', 'rule'],
    ['ip', '-6', 'rule'],
    ['ip', '-4', 'route', 'show', 'table', 'all'],
    ['ip', '-6', 'route', 'show', 'table', 'all'],
  ]
  // Not the rest: counters, times and link-local addresses change by themselves.
  const ours = /^-A |^\*|HOPSCOPE|fwmark|table 133/
  const lines = commands.flatMap((command) =>
    ns
      .exec(command)
      .stdout.split('\n')
      .filter((line) => ours.test(line)),
  )
  return lines.map((line) => line.replace(/\[\d+:\d+\]/, '').trim()).join('\n')
}
