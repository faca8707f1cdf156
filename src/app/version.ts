/** The version of this package. */
import { readFileSync } from 'node:fs'

/** As in package.json, which lies two folders up in the package and three up in a test build. */
export function version(): string {
  for (const up of ['../../', '../../../']) {
    const read = packageAt(new URL(`${up}package.json`, import.meta.url))
    if (read?.name === 'hopscope' && read.version !== undefined) return read.version
  }
  return 'unknown'
}

function packageAt(url: URL): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(url, 'utf8'))
  } catch {
    return undefined
  }
}
