/** Which requests the admin server answers: those of this machine, and not of a web page that was led here. */
import type { IncomingHttpHeaders } from 'node:http'

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Host without its port, in lower case. */
function hostName(host: string): string {
  const bracket = host.lastIndexOf(']')
  const colon = host.indexOf(':', bracket + 1)
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase()
}

/**
 * Whether a Host header names this machine. A page of any site can have its own name resolve to 127.0.0.1 (DNS
 * rebinding) and read the answers then; it cannot choose the Host header.
 */
export function isAllowedHost(host: string | undefined, more: ReadonlySet<string>): boolean {
  if (host === undefined) return false
  const name = hostName(host)
  return LOOPBACK_NAMES.has(name) || more.has(name)
}

/**
 * Whether a page of another site sent it. Any page can have a browser POST to 127.0.0.1 (CSRF): it does not get to read the
 * answer, but what was asked for happens. Browsers say where it came from; other clients say nothing.
 */
export function isOfOtherSite({ host = '', origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  // Another port of this machine is the same site; a page there is somebody else's all the same.
  if (site === 'cross-site' || site === 'same-site') return true
  return origin !== undefined && origin.replace(/^https?:\/\//, '') !== host.toLowerCase()
}
