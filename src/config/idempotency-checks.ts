/** Settings of idempotency that contradict others. */
import type { Command } from './commands.ts'
import { type Fault, shown } from './fault.ts'
import type { Values } from './layer.ts'
import { settingByPath } from './schema.ts'

const STORE = 'idempotency.store'

export function idempotencyFaults(command: Command, values: Values): Fault[] {
  return [...withoutStore(command, values), ...inEachProcess(command, values), ...forgotten(command, values)]
}

/** Rules without a store would look as if they were in force. */
function withoutStore(command: Command, values: Values): Fault[] {
  if (values.has(STORE) || !settingByPath.get(STORE)!.commands.includes(command)) return []
  const [mode, routes] = [values.get('idempotency.mode'), values.get('idempotency.routes')]
  const wanting =
    mode?.parsed === 'require' ? mode : ((routes?.parsed ?? []) as unknown[]).length > 0 ? routes : undefined
  if (wanting === undefined) return []
  const path = wanting === mode ? 'idempotency.mode' : 'idempotency.routes'
  const expected = `${settingByPath.get(STORE)!.kind.expects}, since ${path} is set (${wanting.origin})`
  return [{ path: STORE, origin: '', value: '', expected }]
}

/** A key that is forgotten once its request is answered protects from nothing: each repeat would run. */
function forgotten(command: Command, values: Values): Fault[] {
  const grace = values.get('idempotency.graceMs')
  if (grace?.parsed !== 0 || !settingByPath.get(STORE)!.commands.includes(command)) return []
  const [ttl, routes] = [values.get('idempotency.ttlMs'), values.get('idempotency.routes')]
  const expected = `1 or more, since idempotency.graceMs is 0 (${grace.origin}): a key would be forgotten at once`
  const faults: Fault[] = []
  const add = (path: string, origin: string): void => void faults.push({ path, origin, value: '0', expected })
  if (ttl?.parsed === 0) add('idempotency.ttlMs', ttl.origin)
  for (const [i, rule] of ((routes?.parsed ?? []) as { ttlMs?: number }[]).entries()) {
    if (rule.ttlMs === 0) add(`idempotency.routes.${i}.ttlMs`, routes!.origin)
  }
  return faults
}

/** With several processes a store in the memory of one would run a key once in each. */
function inEachProcess(command: Command, values: Values): Fault[] {
  const [store, several] = [values.get(STORE), values.get('concurrency')]
  if (command !== 'proxy' && command !== 'sidecar') return []
  const url = String(store?.parsed ?? '')
  if (!url.startsWith('memory') || several === undefined || several.parsed === 1) return []
  const expected = 'file:DIR or redis://…, which all processes share, or concurrency 1'
  const value = shown(settingByPath.get(STORE)!, store!.value)
  return [{ path: STORE, origin: store!.origin, value, expected }]
}
