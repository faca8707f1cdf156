/** Fills the placeholders of bench/peers/*.conf. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDir } from '../system/processes.ts'

/** Writes the filled file into the run's folder and gives its path. @DIR@ and @USER@ are always known. */
export function fillTemplate(name: string, values: Record<string, string | number>): string {
  // Compiled code runs from build/bench/peers; the templates stay in bench/peers.
  let text = readFileSync(new URL(`../../../bench/peers/${name}`, import.meta.url), 'utf8')
  // As root nginx would change to a user that may not read our folder; others may not name one.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  for (const [key, value] of Object.entries({ DIR: runDir, USER: user, ...values })) {
    text = text.replaceAll(`@${key}@`, String(value))
  }
  const path = join(runDir, name)
  writeFileSync(path, text)
  return path
}
