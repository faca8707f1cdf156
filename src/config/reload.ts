/** A configuration that can change while the program runs: a good one is taken over, a bad one changes nothing. */
import { createHash } from 'node:crypto'
import { readFileSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Fault } from './fault.ts'
import type { Effective, Values } from './layer.ts'
import { build, type Described, describe, type Loaded, type LoadInput, loadConfig } from './load.ts'
import { type Config, SETTINGS } from './schema.ts'

export interface ReloadOutcome {
  /** Empty: the new configuration is in effect, as far as it can be without a restart. */
  readonly faults: readonly Fault[]
  /** Paths of settings that now have another value. */
  readonly changed: readonly string[]
  /** Paths of settings whose new value waits for a restart. */
  readonly needRestart: readonly string[]
  readonly warnings: readonly string[]
}

/** The running configuration. Flags and environment are those of the start; only the file is read anew. */
export class LiveConfig {
  readonly #input: LoadInput
  #loaded: Pick<Loaded, 'config' | 'values'>
  readonly #listeners = new Set<(config: Config, changed: readonly string[]) => void>()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(input: LoadInput, loaded: Loaded) {
    this.#input = input
    this.#loaded = loaded
  }

  get current(): Config {
    return this.#loaded.config
  }

  /** The file that is read, undefined where there is none. */
  get file(): string | undefined {
    return this.#input.file
  }

  /** Effective settings with origins, secrets masked; for the admin server. */
  describe(): readonly Described[] {
    return describe(this.#input.command, this.#loaded.values)
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
    const result = await loadConfig(this.#input)
    const { warnings } = result
    if (!result.ok) return { faults: result.faults, changed: [], needRestart: [], warnings }
    const differs = SETTINGS.filter(
      ({ path, commands }) =>
        commands.includes(this.#input.command) && !sameValue(this.#loaded.values, result.values, path),
    )
    const changed = differs.filter(({ reloadable }) => reloadable === true).map(({ path }) => path)
    const needRestart = differs.filter(({ reloadable }) => reloadable !== true).map(({ path }) => path)
    if (changed.length > 0) this.#swap(result.values, changed)
    return { faults: [], changed, needRestart, warnings }
  }

  #swap(fresh: Values, changed: readonly string[]): void {
    const values = new Map<string, Effective>(this.#loaded.values)
    for (const path of changed) {
      const value = fresh.get(path)
      if (value === undefined) values.delete(path)
      else values.set(path, value)
    }
    this.#loaded = { values, config: build(values) }
    for (const listener of this.#listeners) listener(this.#loaded.config, changed)
  }
}

function sameValue(before: Values, after: Values, path: string): boolean {
  return JSON.stringify(before.get(path)?.value) === JSON.stringify(after.get(path)?.value)
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
