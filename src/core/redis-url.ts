/**
 * Where a Redis store is:
 *
 *     redis://[user:password@]host[:port][/db]        rediss:// the same over TLS
 *     redis-sentinel://[user:password@]host[:port],host…/master[/db]
 *     redis-cluster://[user:password@]host[:port],host…
 *
 * `redis+sentinel` and `redis+cluster` are the same, and `rediss-…` is TLS. Settings follow as a query.
 */

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

export interface RedisTarget {
  readonly mode: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  /** Of the server, the sentinels or some nodes of the cluster; at least one. */
  readonly addresses: readonly RedisAddress[]
  readonly username: string | undefined
  readonly password: string | undefined
  /** Name of the master group, '' but for sentinels. */
  readonly master: string
  readonly db: number
  readonly query: URLSearchParams
}

const URL_FORM = /^(rediss?)(?:[-+](sentinel|cluster))?:\/\/(?:([^/?]*)@)?([^@/?]+)(?:\/([^?]*))?(?:\?(.*))?$/
const DEFAULT_PORT = { single: 6379, sentinel: 26379, cluster: 6379 } as const

/** Throws a TypeError that says what is wrong, without the password. */
export function parseRedisUrl(url: string): RedisTarget {
  const match = URL_FORM.exec(url)
  if (match === null) throw new TypeError('not of the form redis://[user:password@]host[:port][/db]')
  const [, scheme, kind, credentials, hosts, path, query] = match
  const mode = kind === 'sentinel' ? 'sentinel' : kind === 'cluster' ? 'cluster' : 'single'
  const addresses = hosts!.split(',').map((host) => parseAddress(host, DEFAULT_PORT[mode]))
  if (mode === 'single' && addresses.length > 1)
    throw new TypeError('one host, or redis-sentinel:// or redis-cluster://')
  const segments = (path ?? '').split('/').filter((part) => part !== '')
  const master = mode === 'sentinel' ? decode(segments.shift() ?? '') : ''
  if (mode === 'sentinel' && master === '') throw new TypeError('the name of the master is missing: …/master')
  return {
    mode,
    tls: scheme === 'rediss',
    addresses,
    ...parseCredentials(credentials),
    master,
    db: parseDb(segments, mode),
    query: new URLSearchParams(query ?? ''),
  }
}

function parseCredentials(text: string | undefined): Pick<RedisTarget, 'username' | 'password'> {
  if (text === undefined || text === '') return { username: undefined, password: undefined }
  const colon = text.indexOf(':')
  if (colon < 0) return { username: decode(text), password: undefined }
  return { username: colon === 0 ? undefined : decode(text.slice(0, colon)), password: decode(text.slice(colon + 1)) }
}

function parseAddress(text: string, defaultPort: number): RedisAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (match === null || port < 1 || port > 65535) throw new TypeError('a host is not of the form host[:port]')
  return { host: match[1] ?? match[2]!, port }
}

function parseDb(segments: readonly string[], mode: RedisTarget['mode']): number {
  if (segments.length === 0) return 0
  if (mode === 'cluster') throw new TypeError('a cluster has no database number')
  const db = Number(segments[0])
  if (segments.length > 1 || !Number.isInteger(db) || db < 0) throw new TypeError('the database is not a number')
  return db
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new TypeError('a percent sign in name or password is not followed by two hex digits')
  }
}

/** For logs: without passwords. */
export function redactStoreUrl(url: string): string {
  return url
    .replace(/^([a-z+-]+:\/\/)([^/?]*)@/, (_all, scheme: string, credentials: string) => {
      const colon = credentials.indexOf(':')
      return `${scheme}${colon < 0 ? credentials : `${credentials.slice(0, colon)}:***`}@`
    })
    .replace(/([?&][^=&]*password=)[^&]*/gi, '$1***')
}
