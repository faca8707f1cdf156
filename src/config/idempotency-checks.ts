/** Settings of idempotency that contradict others. */
import type { Command } from './commands.ts'
import { type Fault, shown } from './fault.ts'
import type { Values } from './layer.ts'
import { settingByPath } from './schema.ts'

/** With several processes a store in the memory of one would run a key once in each. */
export function idempotencyFaults(command: Command, values: Values): Fault[] {
  const [store, several] = [values.get('idempotency.store'), values.get('concurrency')]
  if (command !== 'proxy' && command !== 'sidecar') return []
  if (!String(store?.parsed ?? '').startsWith('memory') || several === undefined || several.parsed === 1) return []
  const expected = 'file:DIR or redis://…, which all processes share, or concurrency 1'
  const value = shown(settingByPath.get('idempotency.store')!, store!.value)
  return [{ path: 'idempotency.store', origin: store!.origin, value, expected }]
}
