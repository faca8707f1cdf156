/** From a command line to a configuration, or to a report on stderr and exit code 2. */
import cluster from 'node:cluster'
import type { Command } from 'commander'
import type { Command as ConfigCommand } from '../config/commands.ts'
import { faultReport } from '../config/fault.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { LiveConfig } from '../config/reload.ts'
import { given } from './options.ts'
import { runtimeWarning } from './runtime.ts'

/** Exit code of a command line or configuration that is refused. */
export const EXIT_USAGE = 2

/** Undefined where the configuration was refused: the report is printed, the exit code set. */
export async function load(
  cli: Command,
  command: ConfigCommand,
): Promise<{ readonly loaded: Loaded; readonly live: LiveConfig } | undefined> {
  const input = { command, env: process.env, ...given(cli, process.env) }
  const result = await loadConfig(input)
  for (const warning of result.warnings) warn(warning)
  if (result.ok) return { loaded: result, live: new LiveConfig(input, result) }
  console.error(`hopscope: ${faultReport(result.faults)}`)
  process.exitCode = EXIT_USAGE
  return undefined
}

/** One line on stderr where this Node is old or known to be vulnerable. */
export function warnOfRuntime(): void {
  // One of the processes of --concurrency: the first one has said it.
  if (cluster.isWorker) return
  const warning = runtimeWarning(process.versions.node, new Date())
  if (warning !== undefined) warn(warning)
}

const warn = (text: string): void => console.error(`hopscope: warning: ${text}`)
