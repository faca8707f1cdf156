/** From a command line to a configuration, or to a report on stderr and exit code 2. */
import type { Command } from 'commander'
import type { Command as ConfigCommand } from '../config/commands.ts'
import { faultReport } from '../config/fault.ts'
import { type Loaded, type LoadInput, loadConfig } from '../config/load.ts'
import { given } from './options.ts'
import { warn } from './warn.ts'

/** Exit code of a command line or configuration that is refused. */
export const EXIT_USAGE = 2

/** Undefined where the configuration was refused: the report is printed, the exit code set. */
export async function load(cli: Command, command: ConfigCommand): Promise<Loaded | undefined> {
  return loadInput(inputOf(cli, command))
}

/** The same of an input that is kept, to be read again later. */
export async function loadInput(input: LoadInput): Promise<Loaded | undefined> {
  const result = await loadConfig(input)
  for (const warning of result.warnings) warn(warning)
  if (result.ok) return result
  console.error(`hopscope: ${faultReport(result.faults)}`)
  process.exitCode = EXIT_USAGE
  return undefined
}

export function inputOf(cli: Command, command: ConfigCommand): LoadInput {
  return { command, env: { ...process.env }, ...given(cli, process.env) }
}
