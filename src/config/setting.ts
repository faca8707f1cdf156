/** How a setting is declared, and the flat list of settings read off a declared tree. */
import * as z from 'zod'
import type { Command } from './commands.ts'
import type { ValueKind } from './values.ts'

interface Declaration<Input> {
  /** One sentence or two, for `--help` and docs/configuration.md. */
  readonly doc: string
  readonly commands: readonly Command[]
  /** Defaults that differ by command. */
  readonly defaults?: Partial<Record<Command, Input>>
  /** A stable flag that differs from the path's. */
  readonly flag?: string
  /** Takes effect on reload, without a restart. */
  readonly reloadable?: boolean
  /** Never shown: not in reports, not in `check-config`, not by the admin server. A function: which values are not. */
  readonly secret?: boolean | ((value: unknown) => boolean)
  /** Known and refused: the feature that it belongs to is not there yet. */
  readonly later?: string
  /** Commands that do not start without it. */
  readonly requiredBy?: readonly Command[]
}

interface Declared extends Declaration<unknown> {
  readonly kind: ValueKind
  readonly default?: unknown
}

const declared = new WeakMap<z.ZodType, Declared>()

/** A setting with a default. */
export function setting<T extends z.ZodType>(
  kind: ValueKind<T>,
  facts: Declaration<z.input<T>> & { readonly default: z.input<T> },
): z.ZodPrefault<T> {
  const type = z.prefault(kind.zod, facts.default as never) as z.ZodPrefault<T>
  const described = type.describe(facts.doc)
  declared.set(described, { kind, ...facts })
  return described
}

/** A setting that may stay unset. */
export function optional<T extends z.ZodType>(kind: ValueKind<T>, facts: Declaration<z.input<T>>): z.ZodOptional<T> {
  const described = z.optional(kind.zod).describe(facts.doc)
  declared.set(described, { kind, ...facts })
  return described
}

/** Settings under one key. All of them have defaults or may be unset, so the key may be absent. */
export function group<S extends z.ZodRawShape>(shape: S): z.ZodPrefault<z.ZodObject<S, z.core.$strict>> {
  return z.prefault(z.strictObject(shape), {} as never) as z.ZodPrefault<z.ZodObject<S, z.core.$strict>>
}

/** One setting with all its names. */
export interface Setting extends Declared {
  /** `timeouts.connectMs`. */
  readonly path: string
  /** `HOPSCOPE_TIMEOUTS_CONNECT_MS`. */
  readonly env: string
  /** `--timeouts-connect-ms`. */
  readonly flag: string
  /** The declared zod type, default included. */
  readonly type: z.ZodType
}

const words = (path: string): string => path.replaceAll('.', '-').replace(/([a-z0-9])([A-Z])/g, '$1-$2')

/** The settings of a declared tree in the order of declaration. */
export function settingsOf(schema: z.ZodObject, prefix = ''): Setting[] {
  return Object.entries(schema.shape).flatMap(([key, type]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`
    const facts = declared.get(type as z.ZodType)
    if (facts !== undefined) return [named(path, type as z.ZodType, facts)]
    return settingsOf((type as z.ZodPrefault<z.ZodObject>).unwrap(), path)
  })
}

function named(path: string, type: z.ZodType, facts: Declared): Setting {
  const kebab = words(path).toLowerCase()
  return {
    ...facts,
    path,
    type,
    env: `HOPSCOPE_${kebab.replaceAll('-', '_').toUpperCase()}`,
    flag: facts.flag ?? `--${kebab}`,
  }
}

/** The default of a setting for a command, undefined where it has none. */
export function defaultOf(setting: Setting, command: Command): unknown {
  return setting.defaults?.[command] ?? setting.default
}
