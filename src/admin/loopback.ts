/** Which requests the admin server answers: those of this machine, and not of a web page that was led here by DNS. */

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
