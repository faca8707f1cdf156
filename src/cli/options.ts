/** Flags of commands, made from the settings table. */
import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Command as ConfigCommand } from '../config/commands.ts'
import { SETTINGS, settingsFor } from '../config/schema.ts'
import { defaultOf, type Setting } from '../config/setting.ts'

const DEFAULT_FILE = 'hopscope.yaml'

/** Text by setting path, and the configuration file, as the command line and its surroundings give them. */
export interface Given {
  readonly flags: Readonly<Record<string, string>>
  readonly file: string | undefined
}

/** Adds `--config` and the flags of all settings that `command` reads; of every setting where it is undefined. */
export function addSettings(cli: Command, command: ConfigCommand | undefined): Command {
  cli.option('--config <file>', `settings in YAML or JSON; without it ${DEFAULT_FILE}, if there is one`)
  // Hundreds of options take time to make: not those of a command that nobody typed.
  if (!process.argv.includes(cli.name())) return cli
  for (const setting of command === undefined ? SETTINGS : settingsFor(command)) {
    cli.addOption(settingOption(setting, command))
  }
  return cli.addHelpText('after', NAMES_HELP)
}

const NAMES_HELP = `
Every option is also a key of the file and a variable: --timeouts-connect-ms is timeouts.connectMs
and HOPSCOPE_TIMEOUTS_CONNECT_MS. Flags go before variables, variables before the file.`

function settingOption(setting: Setting, command: ConfigCommand | undefined): Option {
  const fallback = command === undefined ? setting.default : defaultOf(setting, command)
  const notes = [
    setting.later === undefined ? '' : ' (not in this version yet)',
    fallback === undefined || isEmpty(fallback) ? '' : ` (default: ${asText(fallback)})`,
  ]
  const option = new Option(`${setting.flag} <${setting.kind.placeholder}>`, setting.doc + notes.join(''))
  option.argParser((text: string) => {
    if (text === '') throw new InvalidArgumentError('It is empty.')
    return text
  })
  return option.helpGroup(heading(setting.path))
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && Object.keys(value as object).length === 0
const asText = (value: unknown): string => (Array.isArray(value) ? value.join(',') : String(value))

function heading(path: string): string {
  const [first, second] = path.split('.')
  return second === undefined ? 'Options:' : `Options, ${first}:`
}

/** What was typed, by setting path. */
export function given(cli: Command, env: NodeJS.ProcessEnv): Given {
  const typed = cli.opts<Record<string, unknown>>()
  const nameOf = new Map(cli.options.map((option) => [option.long, option.attributeName()]))
  const flags: Record<string, string> = {}
  for (const { flag, path } of SETTINGS) {
    const text = typed[nameOf.get(flag) ?? '']
    if (typeof text === 'string') flags[path] = text
  }
  return { flags, file: configFile(typed.config, env) }
}

function configFile(typed: unknown, env: NodeJS.ProcessEnv): string | undefined {
  if (typeof typed === 'string') return typed
  if (env.HOPSCOPE_CONFIG !== undefined && env.HOPSCOPE_CONFIG !== '') return env.HOPSCOPE_CONFIG
  return existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined
}
