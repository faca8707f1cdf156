/** Which TLS connections are terminated here, and which go on unread: rules by server name and port. */
import { wildcardFor } from './names.ts'

export interface TlsPolicyOptions {
  /** `*`, `name`, `*.domain`, each perhaps with `:port`; `:port` alone. */
  readonly terminate: readonly string[]
  /** Goes before {@link terminate}. */
  readonly passthrough: readonly string[]
  /** A certificate must be there for the name, unless a rule of a port alone takes the connection. */
  readonly onlyKnown: boolean
}

interface Rule {
  /** '' for any, a missing one too. */
  readonly name: string
  readonly port: number | undefined
  readonly portAlone: boolean
}

export class TlsPolicy {
  readonly #terminate: readonly Rule[]
  readonly #passthrough: readonly Rule[]
  readonly #onlyKnown: boolean

  constructor({ terminate, passthrough, onlyKnown }: TlsPolicyOptions) {
    this.#terminate = terminate.map(parseRule)
    this.#passthrough = passthrough.map(parseRule)
    this.#onlyKnown = onlyKnown
  }

  /** `known`: there is a certificate for the name. */
  terminates(serverName: string, port: number, known: boolean): boolean {
    const matches = (rule: Rule): boolean => matchesRule(rule, serverName, port)
    if (this.#passthrough.some(matches)) return false
    return this.#terminate.some((rule) => matches(rule) && (known || !this.#onlyKnown || rule.portAlone))
  }
}

function parseRule(text: string): Rule {
  const colon = text.lastIndexOf(':')
  const name = (colon === -1 ? text : text.slice(0, colon)).toLowerCase()
  return {
    name: name === '*' ? '' : name,
    port: colon === -1 ? undefined : Number(text.slice(colon + 1)),
    portAlone: name === '',
  }
}

function matchesRule({ name, port }: Rule, serverName: string, given: number): boolean {
  if (port !== undefined && port !== given) return false
  return name === '' || name === serverName || (name.startsWith('*.') && name === wildcardFor(serverName))
}
