/** `hopscope check-config`: the effective configuration as text. */
import type { Command } from '../config/commands.ts'
import { lineOf } from '../config/fault.ts'
import type { Described } from '../config/load.ts'

/** `ok`, then a line for each setting: value, and where it came from unless it is the default. */
export function effectiveText(command: Command, rows: readonly Described[]): string {
  const width = Math.max(...rows.map(({ path }) => path.length))
  const lines = rows.map(({ path, value, origin }) => {
    const from = origin === 'default' ? '' : `  (${origin})`
    return `  ${path.padEnd(width)}  ${lineOf(JSON.stringify(value))}${from}`
  })
  return [`ok: hopscope ${command}`, ...lines].join('\n')
}
