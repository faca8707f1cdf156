/**
 * FIPS mode: all of OpenSSL's work is done by its validated provider, or refused. `setFips` alone proves nothing: without
 * a provider Node says yes, and every operation after it fails (seen on Node 20, 24 and 26).
 */
import { createHash, getFips, setFips } from 'node:crypto'

/** Turn it on for this process. Throws, with all as it was, where this Node has no FIPS provider. */
export function enableFips(): void {
  const before = getFips()
  const fault = tryFips()
  if (fault === '') return
  if (before === 0) setFips(false)
  throw new Error(
    `tls.fips is set, and this Node (OpenSSL ${process.versions.openssl}) has no FIPS provider: ${fault}. ` +
      'OPENSSL_CONF must name a configuration that loads fips.so, and OPENSSL_MODULES its folder (docs/tls.md)',
  )
}

/** '' where it is on and holds. */
function tryFips(): string {
  try {
    setFips(true)
  } catch (error) {
    return (error as Error).message
  }
  if (getFips() !== 1) return 'it cannot be turned on'
  if (!works('sha256')) return 'there is no approved SHA-256'
  return works('md5') ? 'MD5 still works' : ''
}

function works(hash: string): boolean {
  try {
    createHash(hash).update('').digest()
    return true
  } catch {
    return false
  }
}
