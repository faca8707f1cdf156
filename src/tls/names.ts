/** Names of certificates and servers: how they are read, brought to one spelling, and compared (RFC 6125 §6.4). */
import { isIP } from 'node:net'

/** Subject alternative names by kind, in lower case where case means nothing. */
export interface AltNames {
  readonly dns: readonly string[]
  readonly ips: readonly string[]
  readonly uris: readonly string[]
}

/**
 * Reads `X509Certificate.subjectAltName`: `DNS:a, URI:spiffe://b, IP Address:::1`. Node writes a value with commas,
 * quotes or control characters as a JSON string, so that no name can pass itself off as several; those are left out.
 */
export function parseAltNames(text: string | undefined): AltNames {
  const dns: string[] = []
  const ips: string[] = []
  const uris: string[] = []
  for (const entry of splitEntries(text ?? '')) {
    const colon = entry.indexOf(':')
    const [kind, value] = [entry.slice(0, colon), entry.slice(colon + 1)]
    if (value.startsWith('"')) continue
    if (kind === 'DNS') dns.push(normalName(value))
    else if (kind === 'IP Address') ips.push(value.toLowerCase())
    else if (kind === 'URI') uris.push(value)
  }
  return { dns: dns.filter((name) => name !== ''), ips, uris }
}

/** Split at `, ` outside of quotes. */
function splitEntries(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g)?.map((entry) => entry.trim()) ?? []
}

/** One spelling of a host name: lower case, without the dot of the root; '' for what is none. */
export function normalName(name: string): string {
  const plain = name.endsWith('.') ? name.slice(0, -1) : name
  return /^[A-Za-z0-9_*.-]{1,253}$/.test(plain) ? plain.toLowerCase() : ''
}

/** Host of an authority (`name:port`, `[::1]:443`), in the spelling of {@link normalName}; addresses without brackets. */
export function hostOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(1, authority.indexOf(']')).toLowerCase()
  const colon = authority.indexOf(':')
  return normalName(colon === -1 ? authority : authority.slice(0, colon))
}

/** The pattern that stands for `name` with its first label left open: `a.b.c` → `*.b.c`; '' where there is none. */
export function wildcardFor(name: string): string {
  const dot = name.indexOf('.')
  return dot > 0 && dot < name.length - 1 ? `*${name.slice(dot)}` : ''
}

/** Whether one of the names covers a host; a wildcard stands for exactly one label (RFC 6125 §6.4.3). */
export function namesCover(names: ReadonlySet<string>, host: string): boolean {
  if (host === '') return false
  return names.has(host) || (isIP(host) === 0 && names.has(wildcardFor(host)))
}
