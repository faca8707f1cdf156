/** From the rules that are there (iptables-save) and those that should be: what to change, and what differs. Pure. */

/** Our part of one table of one family, as iptables-save printed it. */
export interface SavedTable {
  readonly table: string
  /** Chains of ours that exist. */
  readonly chains: readonly string[]
  /** Rules in our chains, and rules anywhere that lead to them, in order. */
  readonly rules: readonly string[]
}

const OUR_CHAINS = ['HOPSCOPE_INBOUND', 'HOPSCOPE_OUTPUT']

/** Pick our part out of `iptables-save -t TABLE`. */
export function readSaved(table: string, text: string): SavedTable {
  const chains: string[] = []
  const rules: string[] = []
  for (const line of text.split('\n')) {
    const chain = line.startsWith(':') ? line.slice(1).split(' ', 1)[0]! : ''
    if (OUR_CHAINS.includes(chain)) chains.push(chain)
    if (line.startsWith('-A ') && (isOwnRule(line) || isJump(line))) rules.push(line.trimEnd())
  }
  return { table, chains, rules }
}

function isOwnRule(line: string): boolean {
  return OUR_CHAINS.some((chain) => line.startsWith(`-A ${chain} `))
}

/** A rule of a chain that is not ours, into ours. */
function isJump(line: string): boolean {
  return !isOwnRule(line) && OUR_CHAINS.some((chain) => `${line} `.includes(` -j ${chain} `))
}

/**
 * Input for one `iptables-restore --noflush` that makes `wanted` (from `renderRules`) true: our chains are refilled and
 * each jump is there exactly once, all in one transaction, so that no packet meets half of it. Other rules stay.
 */
export function planApply(wanted: readonly string[], saved: SavedTable): string[] {
  const jumps = wanted.filter(isJump)
  const keep = new Set<string>()
  const surplus: string[] = []
  for (const rule of saved.rules) {
    if (!isJump(rule)) continue
    if (jumps.includes(rule) && !keep.has(rule)) keep.add(rule)
    else surplus.push(rule)
  }
  const body = wanted.filter((line) => !keep.has(line))
  const firstRule = body.findIndex((line) => line.startsWith('-A '))
  return [...body.slice(0, firstRule), ...surplus.map(asDelete), ...body.slice(firstRule)]
}

/** Input that removes all that is ours from a table; empty where there is nothing. */
export function planClean(saved: SavedTable): string[] {
  if (saved.chains.length === 0 && saved.rules.length === 0) return []
  return [
    `*${saved.table}`,
    ...saved.rules.filter(isJump).map(asDelete),
    ...saved.chains.map((chain) => `-F ${chain}`),
    ...saved.chains.map((chain) => `-X ${chain}`),
    'COMMIT',
  ]
}

function asDelete(rule: string): string {
  return `-D ${rule.slice('-A '.length)}`
}

/** Rule by rule, what differs from `wanted`: `missing …`, `unexpected …`, or that the order is wrong. */
export function planDifferences(wanted: readonly string[], saved: SavedTable): string[] {
  const expected = wanted.filter((line) => line.startsWith('-A '))
  const missing = without(expected, saved.rules).map((rule) => `missing     ${rule}`)
  const unexpected = without(saved.rules, expected).map((rule) => `unexpected  ${rule}`)
  if (missing.length > 0 || unexpected.length > 0) return [...missing, ...unexpected]
  const chainOrder = (rules: readonly string[]): string => rules.filter(isOwnRule).sort(byChain).join('\n')
  return chainOrder(expected) === chainOrder(saved.rules) ? [] : ['the rules are there, in another order']
}

function byChain(a: string, b: string): number {
  return chainOf(a) < chainOf(b) ? -1 : chainOf(a) > chainOf(b) ? 1 : 0
}

function chainOf(rule: string): string {
  return rule.split(' ', 2)[1]!
}

/** `list` less one of each of `other`. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const rest = [...other]
  return list.filter((line) => {
    const at = rest.indexOf(line)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
