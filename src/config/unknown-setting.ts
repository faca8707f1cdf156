/** What is said of a path that is no setting. */
import { SETTINGS, settingByPath } from './schema.ts'
import { didYouMean } from './suggest.ts'

/** Paths that settings stand beneath. */
export const groups: ReadonlySet<string> = new Set(
  SETTINGS.flatMap(({ path }) => {
    const parts = path.split('.')
    return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'))
  }),
)

/** What was expected in its place: what may have been meant; where nothing is near, what its group has. */
export function knownSetting(path: string): string {
  const group = path.slice(0, Math.max(0, path.lastIndexOf('.')))
  const others = [...settingByPath.keys(), ...groups].filter((one) => !path.startsWith(`${one}.`))
  const near = didYouMean(path, others)
  if (near !== '') return `a known setting; ${near}`
  return groups.has(group) ? `a known setting; ${group} has ${memberNames(group)}` : 'a known setting'
}

/** Settings of a group, by what follows its path. */
export function memberNames(path: string): string {
  const members = [...settingByPath.keys()].filter((one) => one.startsWith(`${path}.`))
  return members.map((one) => one.slice(path.length + 1)).join(', ')
}
