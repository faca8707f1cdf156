/** Whose key it is. Keys of different principals are different keys, so that nobody reads another's response. */
import { knownId } from '../../core/known-names.ts'
import type { Exchange } from '../../exchange/exchange.ts'

const AUTHORIZATION = knownId('authorization')

/** The principal of a request, undefined where it has none. Never stored or logged: it goes into a hash. */
export type PrincipalReader = (x: Exchange) => string | undefined

/** `authorization`, `header:NAME`, `jwt:CLAIM`, `mtls` or `address`. */
export function principalReader(spec: string): PrincipalReader {
  if (spec === 'authorization') return (x) => x.request.headers.joined(AUTHORIZATION, '\n') || undefined
  if (spec === 'mtls') return (x) => x.connection.peerIdentity?.principal || undefined
  if (spec === 'address') return (x) => x.connection.peer.address
  const colon = spec.indexOf(':')
  const name = spec.slice(colon + 1)
  if (spec.startsWith('header:')) return fieldReader(name.toLowerCase())
  if (spec.startsWith('jwt:')) return (x) => claimOf(x, name)
  throw new Error(`no principal ${spec}`)
}

/** With several fields of the name all count: it is not known which of them the upstream will believe. */
function fieldReader(name: string): PrincipalReader {
  return (x) => {
    const value = x.request.headers.values(name).join('\n')
    return value === '' ? undefined : value
  }
}

/**
 * A claim of the bearer token, with the issuer that it is unique under. The signature is not looked at: only for routes
 * where something before this proxy has verified it.
 */
function claimOf(x: Exchange, claim: string): string | undefined {
  const values = x.request.headers.values('authorization')
  const token = values.length === 1 ? /^bearer +([^\s.]+)\.([^\s.]+)\.[^\s.]*$/i.exec(values[0]!) : null
  if (token === null) return undefined
  try {
    const payload: unknown = JSON.parse(Buffer.from(token[2]!, 'base64url').toString('utf8'))
    if (typeof payload !== 'object' || payload === null) return undefined
    const value = (payload as Record<string, unknown>)[claim]
    const issuer = (payload as Record<string, unknown>).iss
    if ((typeof value !== 'string' || value === '') && typeof value !== 'number') return undefined
    return `${typeof issuer === 'string' ? issuer : ''}\n${value}`
  } catch {
    return undefined // not a token that anyone could read: no principal
  }
}
