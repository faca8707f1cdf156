/** HOPSCOPE_… variables and flags as layers. */
import { emptyLayer, type Layer } from './layer.ts'
import { SETTINGS, settingByPath } from './schema.ts'
import { didYouMean } from './suggest.ts'
import { knownSetting } from './unknown-setting.ts'

/** Environment variables, passed in. */
export type Env = Readonly<Record<string, string | undefined>>

/** Variables of ours that are no settings. */
export const OTHER_VARIABLES = ['HOPSCOPE_CONFIG'] as const

/**
 * Kubernetes gives every pod variables for each Service of its namespace. A Service named `hopscope` or
 * `hopscope-aggregator` makes names that look like ours, `HOPSCOPE_PORT=tcp://10.0.0.1:80` among them.
 */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/
const isServiceLink = (name: string, value: string): boolean =>
  SERVICE_LINK.test(name) && !(known.has(name) && !/^(tcp|udp|sctp):\/\//.test(value))

/** Reads HOPSCOPE_… variables. An empty one counts as unset; an unknown one is a fault. */
export function readEnvironment(env: Env): Layer {
  const layer = emptyLayer()
  for (const setting of SETTINGS) {
    const text = env[setting.env]
    if (text === undefined || text === '' || isServiceLink(setting.env, text)) continue
    layer.given.push({ setting, value: setting.kind.fromText(text), origin: setting.env })
  }
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('HOPSCOPE_') || text === undefined || text === '' || isServiceLink(name, text)) continue
    if (known.has(name)) continue
    const hint = didYouMean(name, [...known])
    const expected = `a known variable${hint === '' ? '' : `; ${hint}`}`
    layer.faults.push({ path: '', origin: name, value: '', expected })
  }
  return layer
}

const known: ReadonlySet<string> = new Set([...SETTINGS.map(({ env }) => env), ...OTHER_VARIABLES])

/** Text by setting path: flags, which the command line parser has checked, or the settings of a program. */
export function readFlags(flags: Readonly<Record<string, string>>): Layer {
  const layer = emptyLayer()
  for (const [path, text] of Object.entries(flags)) {
    const setting = settingByPath.get(path)
    if (setting !== undefined) {
      layer.given.push({ setting, value: setting.kind.fromText(text), origin: setting.flag })
      continue
    }
    layer.faults.push({ path, origin: '', value: '', expected: knownSetting(path) })
  }
  return layer
}
