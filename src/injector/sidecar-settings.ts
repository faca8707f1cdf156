/** The settings that all sidecars get, out of a file like hopscope.yaml. */
import { parseConfigFile } from '../config/file.ts'
import { isForSidecars } from '../config/for-sidecars.ts'
import type { Setting } from '../config/setting.ts'

export interface SidecarSettings {
  /** Text by path, as the environment takes it. */
  readonly settings: ReadonlyMap<string, string>
  readonly faults: readonly string[]
}

/** `file` is the name in the faults. */
export function readSidecarSettings(source: string, file: string): SidecarSettings {
  const { given, faults } = parseConfigFile(source, file)
  const settings = new Map<string, string>()
  const wrong = faults.map(({ origin, path, expected }) => `${origin} ${path}: expected ${expected}`)
  for (const { setting, value, origin } of given) {
    const text = textOf(setting, value)
    if (!isForSidecars(setting)) wrong.push(`${origin} ${setting.path}: not for sidecars`)
    else if (text === undefined) wrong.push(`${origin} ${setting.path}: expected ${setting.kind.expects}`)
    else settings.set(setting.path, text)
  }
  return { settings, faults: wrong }
}

/** The value as an environment variable; undefined where it is bad. */
function textOf({ kind }: Setting, value: unknown): string | undefined {
  if (!kind.zod.safeParse(value).success) return undefined
  const candidates = [
    ...(Array.isArray(value) ? [value.map(String).join(',')] : []),
    ...(typeof value === 'object' && value !== null ? [pairs(value), JSON.stringify(value)] : [String(value)]),
  ]
  // One that reads back as the same value.
  const wanted = JSON.stringify(kind.zod.parse(value))
  return candidates.find((text) => {
    const read = kind.zod.safeParse(kind.fromText(text))
    return read.success && JSON.stringify(read.data) === wanted
  })
}

const pairs = (value: object): string =>
  Object.entries(value)
    .map(([name, text]) => `${name}=${encodeURIComponent(String(text))}`)
    .join(',')
