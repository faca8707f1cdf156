/** The authority of a request (RFC 3986 §3.2), whatever the version it came in. */
import { HOST } from './syntax.ts'

/** A host with or without port, as Host, :authority and absolute-form targets have it. */
export function validHost(host: string): boolean {
  if (host.length === 0 || host.length > 255) return false
  for (let i = 0; i < host.length; i++) if (HOST[host.charCodeAt(i) & 0xff] === 0) return false
  return plainName(host) || /^(\[[0-9A-Fa-f:.]+\]|[^[\]:]+)(:[0-9]{0,5})?$/.test(host)
}

/** No colon and no bracket: nothing more to check. */
function plainName(host: string): boolean {
  return !host.includes(':') && !host.includes('[') && !host.includes(']')
}
