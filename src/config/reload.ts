/** A configuration that can change while the program runs: a good one is taken over, a bad one changes nothing. */
import { createHash } from 'node:crypto'
import { readFileSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { deepFreeze } from './frozen.ts'
import { sameValue, type Values } from './layer.ts'
import type { Described, InEffect, LoadInput, Started } from './load.ts'
import type { ReloadOutcome, Reread } from './reread.ts'
import type { Config } from './schema.ts'

/** How a configuration is read again: in a thread of its own, where the schema has not to stay in memory. */
export type ReadAgain = (input: LoadInput, before: Values) => Promise<Reread>

/** The running configuration. Flags and environment are those of the start; only the file is read anew. */
export class LiveConfig {
  readonly #input: LoadInput
  readonly #readAgain: ReadAgain
  #now: InEffect
  readonly #listeners = new Set<(config: Config, changed: readonly string[]) => void>()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(input: LoadInput, loaded: InEffect, readAgain: ReadAgain) {
    this.#input = input
    this.#now = { ...loaded, config: deepFreeze(loaded.config) }
    this.#readAgain = readAgain
  }

  get current(): Config {
    return this.#now.config
  }

  /** What another process needs to run with the values in effect, and to read them again. */
  get started(): Omit<Started, 'command'> {
    return { input: this.#input, loaded: this.#now }
  }

  /** The file that is read, undefined where there is none. */
  get file(): string | undefined {
    return this.#input.file
  }

  /** Effective settings with origins, secrets masked; for the admin server. */
  describe(): readonly Described[] {
    return this.#now.described
  }

  /** Called after each reload that changed something. Returns what takes the listener off again. */
  onChange(listener: (config: Config, changed: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads and validates everything anew; swaps the reloadable settings. One reload at a time. Never rejects. */
  reload(): Promise<ReloadOutcome> {
    const next = this.#queue.then(() => this.#reload())
    this.#queue = next.catch(() => undefined)
    return next
  }

  async #reload(): Promise<ReloadOutcome> {
    const { outcome, now } = await this.#readAgain(this.#input, this.#now.values).catch(unread)
    if (now !== undefined) this.take(now)
    return outcome
  }

  /** Puts into effect what was read, here or in another process. */
  take(now: InEffect): void {
    const changed = changedPaths(this.#now.values, now.values)
    if (changed.length === 0) return
    this.#now = { ...now, config: deepFreeze(now.config) }
    for (const listener of this.#listeners) listener(this.#now.config, changed)
  }
}

function changedPaths(before: Values, after: Values): string[] {
  const paths = new Set([...before.keys(), ...after.keys()])
  return [...paths].filter((path) => !sameValue(before, after, path))
}

/** It could not even be tried, for want of memory or descriptors say. */
function unread(error: unknown): Reread {
  const why = error instanceof Error ? error.message : String(error)
  const fault = { path: 'configuration', origin: '', value: why, expected: 'to be able to read it' }
  return { outcome: { faults: [fault], changed: [], needRestart: [], warnings: [] }, now: undefined }
}

/**
 * Calls `onChange` when the content of a file became another one. The folder is watched, not the file: editors and
 * Kubernetes replace files (there by swapping a symlink beside it), and a watch on the file would stay with the old one.
 */
export function watchFile(file: string, onChange: () => void, settleMs = 100): { close(): void } {
  let digest = digestOf(file)
  let timer: NodeJS.Timeout | undefined
  const settled = (): void => {
    timer = undefined
    const now = digestOf(file)
    // A file that is gone for a moment is one that is being replaced.
    if (now === undefined || now === digest) return
    digest = now
    onChange()
  }
  const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
    if (name !== null && name !== basename(file) && !name.startsWith('..')) return
    clearTimeout(timer)
    timer = setTimeout(settled, settleMs).unref()
  })
  // Losing the watch (folder removed) leaves the running configuration; SIGHUP still reloads.
  watcher.on('error', () => watcher.close())
  return {
    close: () => {
      clearTimeout(timer)
      watcher.close()
    },
  }
}

function digestOf(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch {
    return undefined
  }
}
