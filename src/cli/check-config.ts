/** `hopscope check-config`: the effective configuration as text. */

import type { Command } from '../config/commands.ts'
import type { Values } from '../config/layer.ts'
import { describe } from '../config/load.ts'

/** `ok`, then a line for each setting: value, and where it came from unless it is the default. */
export function effectiveText(command: Command, values: Values): string {
  const rows = describe(command, values)
  const width = Math.max(...rows.map(({ path }) => path.length))
  const lines = rows.map(({ path, value, origin }) => {
    const from = origin === 'default' ? '' : `  (${origin})`
    return `  ${path.padEnd(width)}  ${value}${from}`
  })
  return [`ok: hopscope ${command}`, ...lines].join('\n')
}
