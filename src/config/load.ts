/** Flags over environment over file over defaults: one frozen configuration, or every fault at once. */
import { cautions, crossFaults } from './checks.ts'
import type { Command, Server } from './commands.ts'
import { type Env, readEnvironment, readFlags } from './environment.ts'
import { type Fault, shown, visible } from './fault.ts'
import { deepFreeze } from './frozen.ts'
import { type Effective, emptyLayer, type Given, type Layer, type Values } from './layer.ts'
import { readOtelEnvironment } from './otel.ts'
import { readProxyVariables } from './proxy-variables.ts'
import { type Config, configSchema, SETTINGS } from './schema.ts'
import { defaultOf, type Setting } from './setting.ts'

export interface LoadInput {
  readonly command: Command
  /** Path of the configuration file, undefined for none. */
  readonly file?: string | undefined
  readonly env: Env
  /** Text by setting path. */
  readonly flags: Readonly<Record<string, string>>
}

/** A good configuration. Plain data: it crosses threads. */
export interface InEffect {
  readonly config: Config
  /** By setting path; settings that are unset are not there. Holds secrets: show `described`. */
  readonly values: Values
  /** The settings of the command, secrets masked. */
  readonly described: readonly Described[]
}

export interface Loaded extends InEffect {
  readonly ok: true
  readonly warnings: readonly string[]
}

/** What a server starts from. Plain data: it crosses threads and processes. */
export interface Started {
  readonly command: Server
  readonly input: LoadInput
  readonly loaded: InEffect
}

export interface Refused {
  readonly ok: false
  readonly faults: readonly Fault[]
  readonly warnings: readonly string[]
}

export type LoadResult = Loaded | Refused

/** Reads and validates everything; touches nothing but the files it is told of. */
export async function loadConfig({ command, file, env, flags }: LoadInput): Promise<LoadResult> {
  const fromFile = file === undefined ? emptyLayer() : await fileLayer(file)
  const layers: Layer[] = [
    defaults(command),
    fromFile,
    readOtelEnvironment(env),
    readProxyVariables(env),
    readEnvironment(env),
    readFlags(flags),
  ]
  const warnings = layers.flatMap((layer) => layer.warnings)
  const faults = layers.flatMap((layer) => layer.faults)
  const values = new Map<string, Effective>()
  for (const given of layers.flatMap((layer) => layer.given)) {
    // A value is validated even where another goes before it: hidden, it would only fail on a later day.
    const result = given.setting.kind.zod.safeParse(given.value)
    if (result.success) values.set(given.setting.path, effective(given, result.data))
    else faults.push(...valueFaults(given, result.error.issues))
  }
  // Of a file that cannot be read as a whole it is not known which settings it has.
  const unread = fromFile.faults.some(({ path }) => path === '')
  const seen = unread ? SETTINGS : faults
  faults.push(...crossFaults(command, values, new Set(seen.map(({ path }) => path))))
  if (faults.length > 0) return { ok: false, faults, warnings }
  return { ok: true, ...inEffect(command, values), warnings: [...warnings, ...cautions(command, values)] }
}

/** Valid values as a configuration. */
export function inEffect(command: Command, values: Values): InEffect {
  return { config: build(values), values, described: describe(command, values) }
}

/** The YAML parser costs 30 ms of start: it is loaded only where there is a file. */
async function fileLayer(file: string): Promise<Layer> {
  const { readConfigFile } = await import('./file.ts')
  return readConfigFile(file)
}

function defaults(command: Command): Layer {
  const layer = emptyLayer()
  for (const setting of SETTINGS) {
    const value = defaultOf(setting, command)
    if (value !== undefined) layer.given.push({ setting, value, origin: 'default' })
  }
  return layer
}

const effective = ({ value, origin }: Given, parsed: unknown): Effective => ({ value, parsed, origin })

/** Of a value with parts that have names, every part that is wrong. */
function valueFaults({ setting, value, origin }: Given, issues: readonly { path: PropertyKey[] }[]): Fault[] {
  const { expects, faultOf, partExpects } = setting.kind
  const why = faultOf?.(value) ?? ''
  const expected = why === '' ? expects : `${expects} (${why})`
  const fault = { path: setting.path, origin, value: shown(setting, value), expected }
  if (partExpects === undefined) return [fault]
  return issues.map(({ path }) => {
    if (path.length === 0) return fault
    const part = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value)
    const place = [setting.path, ...path].join('.')
    return { path: place, origin, value: shown(setting, part), expected: partExpects(path) }
  })
}

/** Values into their nested, typed, frozen form. */
function build(values: Values): Config {
  const tree: Tree = {}
  for (const [path, { value }] of values) {
    const keys = path.split('.')
    const last = keys.pop()!
    let node = tree
    for (const key of keys) {
      node[key] ??= {}
      node = node[key] as Tree
    }
    node[last] = value
  }
  // zod would compile each group for speed, which takes longer than the one reading.
  return deepFreeze(configSchema.parse(tree, { jitless: true }))
}

interface Tree {
  [key: string]: unknown
}

/** A setting as `check-config` and the admin server show it. */
export interface Described {
  readonly path: string
  /** Plain JSON, secrets masked. */
  readonly value: unknown
  readonly origin: string
}

function describe(command: Command, values: Values): Described[] {
  const applies = (setting: Setting): boolean => setting.commands.includes(command)
  return SETTINGS.filter(applies).flatMap((setting) => {
    const given = values.get(setting.path)
    return given === undefined
      ? []
      : [{ path: setting.path, value: visible(setting, given.value), origin: given.origin }]
  })
}
