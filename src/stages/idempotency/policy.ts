/** Which rules a request with (or without) a key falls under. */
import { PathPattern } from './path-pattern.ts'
import { type PrincipalReader, principalReader } from './principal.ts'

export type Mode = 'off' | 'honour' | 'require'

/** What holds for a request. */
export interface Policy {
  readonly mode: Mode
  readonly ttlMs: number
  /** How long a repeat waits for the one that runs. */
  readonly waitMs: number
  readonly maxBodyBytes: number
  readonly maxResponseBytes: number
  /** Statuses that say that nothing ran: `429`, `5xx`. */
  readonly release: readonly string[]
  /** Undefined: closed where a key is required, else open. */
  readonly onStoreDown: 'closed' | 'open' | undefined
  readonly onUnknown: 'refuse' | 'retry'
  readonly principal: string
}

/** A rule: what it leaves out is as in the defaults. */
export type Rule = { readonly [K in keyof Policy]?: Policy[K] | undefined } & {
  readonly methods?: readonly string[] | undefined
  /** `*` stands for one segment, `**` for any number. */
  readonly path?: string | undefined
}

/** A policy made ready for use. */
export class CompiledPolicy {
  readonly mode: Mode
  readonly ttlMs: number
  readonly waitMs: number
  readonly maxBodyBytes: number
  readonly maxResponseBytes: number
  readonly closed: boolean
  readonly retriesUnknown: boolean
  readonly principal: PrincipalReader
  readonly #released = new Uint8Array(600)

  constructor(policy: Policy) {
    this.mode = policy.mode
    this.ttlMs = policy.ttlMs
    this.waitMs = policy.waitMs
    this.maxBodyBytes = policy.maxBodyBytes
    this.maxResponseBytes = policy.maxResponseBytes
    this.closed = (policy.onStoreDown ?? (policy.mode === 'require' ? 'closed' : 'open')) === 'closed'
    this.retriesUnknown = policy.onUnknown === 'retry'
    this.principal = principalReader(policy.principal)
    for (const pattern of policy.release) {
      if (pattern.endsWith('xx')) this.#released.fill(1, Number(pattern[0]) * 100, Number(pattern[0]) * 100 + 100)
      else this.#released[Number(pattern)] = 1
    }
  }

  /** A response with this status says that nothing ran. */
  releases(status: number): boolean {
    return this.#released[status] === 1
  }
}

interface CompiledRule {
  readonly methods: ReadonlySet<string>
  readonly path: PathPattern | undefined
  readonly policy: CompiledPolicy
}

/** The rules in order, then the defaults. */
export class Policies {
  readonly #rules: readonly CompiledRule[]
  readonly #methods: ReadonlySet<string>
  /** Whether any request without a key may be refused: if not, nobody need look at those. */
  readonly requires: boolean

  constructor(defaults: Policy, methods: readonly string[], rules: readonly Rule[]) {
    const all: CompiledRule[] = rules.map((rule) => ({
      methods: new Set(rule.methods ?? methods),
      path: rule.path === undefined ? undefined : new PathPattern(rule.path),
      policy: new CompiledPolicy(withDefaults(rule, defaults)),
    }))
    all.push({ methods: new Set(methods), path: undefined, policy: new CompiledPolicy(defaults) })
    this.#rules = all
    this.#methods = new Set(all.flatMap((rule) => [...rule.methods]))
    this.requires = all.some(({ policy }) => policy.mode === 'require')
  }

  /** Whether keys of requests with this method may mean something. */
  concerns(method: string): boolean {
    return this.#methods.has(method)
  }

  /** What holds for a request; undefined: its key means nothing here. `target` is the path with its query. */
  of(method: string, target: string): CompiledPolicy | undefined {
    const question = target.indexOf('?')
    const path = question < 0 ? target : target.slice(0, question)
    for (const rule of this.#rules) {
      if (!rule.methods.has(method) || (rule.path !== undefined && !rule.path.test(path))) continue
      return rule.policy.mode === 'off' ? undefined : rule.policy
    }
    return undefined
  }
}

function withDefaults(rule: Rule, defaults: Policy): Policy {
  return {
    mode: rule.mode ?? defaults.mode,
    ttlMs: rule.ttlMs ?? defaults.ttlMs,
    waitMs: rule.waitMs ?? defaults.waitMs,
    maxBodyBytes: rule.maxBodyBytes ?? defaults.maxBodyBytes,
    maxResponseBytes: rule.maxResponseBytes ?? defaults.maxResponseBytes,
    release: rule.release ?? defaults.release,
    onStoreDown: rule.onStoreDown ?? defaults.onStoreDown,
    onUnknown: rule.onUnknown ?? defaults.onUnknown,
    principal: rule.principal ?? defaults.principal,
  }
}
